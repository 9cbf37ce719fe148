"""Predictive coding on a latent of unit covariance whose pose changes slowly: PC3's terms, and two that shape the map.

contrast + λ_con consistency + λ_cur curvature + λ_spread ‖Cov(z) - I‖² + λ_spread ‖E z‖² + λ_slow ‖pose' - pose‖²

The first three are those of `worldmodel.objectives.pc3` (Shu 2020). Unit covariance keeps all directions in use (Bardes
2022, VICReg), so that distances in the latent mean something to a planner. The slowest functions of unit covariance are
the first harmonics (Wiskott and Sejnowski 2002): of an angle they are its sine and cosine, and not a figure of eight.
Decoder and heads learn from fixed latents, as with PC3: they only look.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from worldmodel.distributions import kl
from worldmodel.objectives.pairs import led_to, normals
from worldmodel.objectives.pc3 import contrast
from worldmodel.objectives.pcc import bend
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window


@dataclass(frozen=True)
class Predictive:
    """Row t holds the terms of the pair that it ends; those of the whole batch are the same in every row.

    pose: the first so many dimensions of the latent, which change slowly. The other numbers are weights, and the radius
    of `worldmodel.objectives.curvature`. Of a batch of pairs half of the rows end one. incomplete: see
    `worldmodel.objectives.pairs.led_to`. ``kl``: that of the sequence's bound, for the log.
    """

    pose: int
    consistency: float = 0.3
    curvature: float = 7.0
    curvature_radius: float = 0.1
    spread: float = 0.0
    slowness: float = 0.0
    incomplete: int = 0

    def __call__(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]:
        posterior, prior = normals(inferred)
        pair = led_to(window.batch.is_first, self.incomplete) & window.batch.valid
        seen = model.likelihoods(window, inferred.states.vector.detach())
        return seen | self.shape(model, window, inferred) | {"kl": kl(posterior.detach(), prior.detach()) * pair}

    def shape(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]:
        """The terms that make encoder and dynamics; they ask for no images."""
        (posterior, prior), states = normals(inferred), inferred.states
        pair = led_to(window.batch.is_first, self.incomplete) & window.batch.valid
        own, contrasted = contrast(prior, states.stoch, pair)
        terms = {"contrast": contrasted, "consistency": -self.consistency * own}
        if window.noise is not None and self.curvature:
            bent = bend(model, states, window.batch.action, window.noise, self.curvature_radius)
            terms["curvature"] = self.curvature * bent * pair
        if self.slowness:
            moved = posterior.mean[:, 1:, : self.pose] - posterior.mean[:, :-1, : self.pose]
            terms["slowness"] = self.slowness * functional.pad(moved.square().sum(-1), (1, 0)) * pair
        spread = distance_to_unit(posterior.mean[window.batch.valid])
        return terms | {"spread": self.spread * spread.expand(pair.shape)}


def distance_to_unit(latent: Tensor) -> Tensor:
    """``‖Cov(z) - I‖² + ‖E z‖²`` of ``[rows, latent]``: zero where mean is 0 and covariance 1."""
    mean = latent.mean(0)
    covariance = (latent - mean).T @ (latent - mean) / len(latent)
    return (covariance - torch.eye(len(mean), device=mean.device)).square().sum() + mean.square().sum()
