"""Prediction, consistency and curvature (PCC, Levine 2020, eqs. 4 to 8), for pairs of frames.

The bound on log p(x'|x, u) with the variational q(z|x) q(z'|x') is E[log p(x'|z')] - E[KL( q(z'|x') ‖ p(z'|z, u) )];
PCC's consistency is the same KL once more, weighed by itself. (The paper also learns q(z|z', x, u); here it is q(z|x).)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from worldmodel.distributions import kl
from worldmodel.interface import State
from worldmodel.objectives.curvature import curvature, moves
from worldmodel.objectives.pairs import led_to, normals, standard
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window


@dataclass(frozen=True)
class PCC:
    """Row t holds the terms of the pair that it ends, and those of its own frame.

    ``image``, ``reward``, ``continuation``: as in `worldmodel.objectives.elbo`. ``consistency``: the KL of both.
    ``kl``: that KL by itself, for the log. ``curvature``: of the mean dynamics, along the noise; left out without
    noise. ``standard_kl``: an anchor, since nothing else keeps the latent's scale.

    beta: weight of the anchor. consistency: λ_c, of the KL beyond the bound's one. curvature: λ_cur.
    curvature_radius: std of the moves. incomplete: see `worldmodel.objectives.pairs.led_to`.
    """

    beta: float = 0.01
    consistency: float = 7.0
    curvature: float = 1.0
    curvature_radius: float = 0.1
    incomplete: int = 0

    def __call__(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]:
        posterior, prior = normals(inferred)
        pair = led_to(window.batch.is_first, self.incomplete)
        terms = model.likelihoods(window, inferred.states.vector) | {
            "standard_kl": self.beta * kl(posterior, standard(posterior)),
            "consistency": (1 + self.consistency) * kl(posterior, prior) * pair,
            "kl": kl(posterior.detach(), prior.detach()) * pair,
        }
        if window.noise is not None and self.curvature:
            bent = bend(model, inferred.states, window.batch.action, window.noise, self.curvature_radius)
            terms["curvature"] = self.curvature * bent * pair
        return terms


def bend(model: SequenceVAE, states: State, action: Tensor, noise: Tensor, radius: float) -> Tensor:
    """Curvature ``[batch, time]`` of the step that led to each row; 0 in the first. Dynamics without a ``deter``."""

    def step(stoch: Tensor, action: Tensor) -> Tensor:
        return model.step(State(states.deter[:, :-1], stoch), action).stoch

    found = curvature(step, states.stoch[:, :-1], action[:, 1:], moves(noise, action.shape[-1], radius))
    return functional.pad(found, (1, 0))
