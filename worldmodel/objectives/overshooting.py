"""Latent overshooting: the prior is held against the posterior several steps ahead too (PlaNet, Hafner 2019, eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from worldmodel.distributions import kl
from worldmodel.objectives.pairs import rows
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window


def overshooting_kl(model: SequenceVAE, window: Window, inferred: Posterior, steps: int) -> Tensor:
    """``1/D Σ_{d=2..D} KL( q(z_t|·) ‖ p(z_t|z_{t-d}, a) )``, D = ``steps``, ``[batch, time]``.

    One path is sampled from every filtered state, by the noise of the rows that it passes. The posterior is held fixed
    (section 4 of the paper): distant priors are trained towards it, not the reverse. A row that a path does not reach
    within its episode adds nothing for it.
    """
    actions, episode = window.batch.action, window.batch.is_first.cumsum(1)
    total, states = torch.zeros_like(window.batch.reward), inferred.states
    for distance in range(1, min(steps, actions.shape[1] - 1) + 1):
        deter, context = model.dynamics.advance(states.map(lambda x: x[:, :-1]), actions[:, distance:])
        prior = model.dynamics.prior(context)
        if distance > 1:
            reached = episode[:, distance:] == episode[:, :-distance]
            total[:, distance:] += kl(rows(inferred.posterior.detach(), slice(distance, None)), prior) * reached
        noise = None if window.noise is None else window.noise[:, distance:]
        states = model.dynamics.complete(deter, context, prior, noise)
    return total / steps
