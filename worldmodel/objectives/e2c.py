"""Embed to Control's bound for pairs of frames (Watter 2015, eqs. 11 and 12).

q(z_t|x_t) = N(μ, Σ),    ẑ_{t+1} ~ N(A μ + B u + o, A Σ Aᵀ + H)

-log p(x_t|z_t) - log p(x_{t+1}|ẑ_{t+1}) + β KL( q(z_t|x_t) ‖ N(0, I) ) + λ KL( ẑ_{t+1} ‖ q(z_{t+1}|x_{t+1}) )
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from torch import Tensor
from torch.nn import functional

from worldmodel.distributions import CorrelatedNormal, Normal, kl
from worldmodel.interface import State
from worldmodel.objectives.pairs import led_to, normals, rows, standard
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window


class Propagates(Protocol):
    """Dynamics that push a whole normal through: ``N(A μ + B u + o, A Σ Aᵀ + H)``, A, B and o taken ``at`` a latent."""

    def propagate(self, belief: Normal, action: Tensor, at: Tensor | None = None) -> CorrelatedNormal: ...


@dataclass(frozen=True)
class E2C:
    """Row t holds the terms of the pair that it ends, and those of its own frame.

    ``image``, ``reward``, ``continuation``: as in `worldmodel.objectives.elbo`. ``predicted_image``: of ẑ_t.
    ``standard_kl`` and ``consistency``: the two KLs. ``kl``: that of the sequence's bound, for the log.

    beta: β. consistency: λ, 0.25 in the paper. incomplete: see `worldmodel.objectives.pairs.led_to`.
    """

    beta: float = 1.0
    consistency: float = 0.25
    incomplete: int = 0

    def __call__(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]:
        (posterior, prior), states = normals(inferred), inferred.states
        pair = led_to(window.batch.is_first, self.incomplete)
        dynamics = cast(Propagates, model.dynamics)
        action, at = window.batch.action[:, 1:], states.stoch[:, :-1]
        pushed = dynamics.propagate(rows(posterior, slice(None, -1)), action, at)
        consistency = functional.pad(kl(pushed, rows(posterior, slice(1, None))), (1, 0))
        predicted = State(states.deter, prior.sample(window.noise)).vector  # from the sample of the row before
        return model.likelihoods(window, states.vector) | {
            "predicted_image": model.image_nll(predicted, window.images) * pair,
            "standard_kl": self.beta * kl(posterior, standard(posterior)),
            "consistency": self.consistency * consistency * pair,
            "kl": kl(posterior.detach(), prior.detach()),
        }
