"""Predictive coding, consistency and curvature (PC3, Shu 2020, eqs. 6 to 10): latents without a decoder.

-E[ log p(z'|z, u) - log 1/K Σ_j p(z'_j|z, u) ] - λ E[log p(z'|z, u)] + λ_cur curvature

The first is the contrastive bound on the information that z and u hold about z' (van den Oord 2018), with the prior as
its critic; the others keep the prior narrow and straight. Decoder and heads learn from fixed latents: they only look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from worldmodel.distributions import Normal, kl
from worldmodel.objectives.pairs import led_to, normals
from worldmodel.objectives.pcc import bend
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window


@dataclass(frozen=True)
class PC3:
    """Row t holds the terms of the pair that it ends. Contrasts are all pairs of the batch that are valid.

    ``image``, ``reward``, ``continuation``: as in `worldmodel.objectives.elbo`, of latents held fixed. ``contrast``:
    the first term. ``consistency``: the second. ``curvature``: see `worldmodel.objectives.curvature`; left out without
    noise. ``kl``: that of the sequence's bound, for the log.
    """

    consistency: float = 1.0
    curvature: float = 7.0
    curvature_radius: float = 0.1
    incomplete: int = 0

    def __call__(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]:
        (posterior, prior), states = normals(inferred), inferred.states
        pair = led_to(window.batch.is_first, self.incomplete) & window.batch.valid
        own, contrasted = contrast(prior, states.stoch, pair)
        terms = model.likelihoods(window, states.vector.detach()) | {
            "contrast": contrasted,
            "consistency": -self.consistency * own,
            "kl": kl(posterior.detach(), prior.detach()) * pair,
        }
        if window.noise is not None and self.curvature:
            bent = bend(model, states, window.batch.action, window.noise, self.curvature_radius)
            terms["curvature"] = self.curvature * bent * pair
        return terms


def contrast(prior: Normal, arrived: Tensor, pair: Tensor) -> tuple[Tensor, Tensor]:
    """``log p(z'|z, u)`` and InfoNCE's loss, ``[batch, time]``, zero where ``pair [batch, time]`` is not set.

    The loss is ``log 1/K Σ_j p(z'_j|z, u) - log p(z'|z, u)`` over the K pairs there are; never below ``-log K``.
    """
    one = Normal(prior.mean[pair], prior.std[pair])
    scores = pairwise_log_prob(one, arrived[pair])
    own, total = scores.diagonal(), torch.zeros_like(pair, dtype=scores.dtype)
    loss = scores.logsumexp(1) - math.log(max(1, len(scores))) - own
    return total.masked_scatter(pair, own), total.masked_scatter(pair, loss)


def pairwise_log_prob(p: Normal, values: Tensor) -> Tensor:
    """``log p_i(value_j)``, ``[K, K]`` from ``[K, stoch]`` each, by matrix products."""
    precision = p.std.square().reciprocal()
    square = precision @ values.square().T - 2 * (precision * p.mean) @ values.T
    constant = (precision * p.mean.square()).sum(-1) + (2 * p.std.log() + math.log(2 * math.pi)).sum(-1)
    return -0.5 * (square + constant[:, None])
