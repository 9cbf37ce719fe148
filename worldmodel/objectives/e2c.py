"""Embed to Control's bound for pairs of frames (Watter 2015, eqs. 11 and 12).

q(z_t|x_t) = N(μ, Σ),  ẑ_{t+1} ~ N(A μ + B u + o, A Σ Aᵀ + H),  A = I + v rᵀ

-log p(x_t|z_t) - log p(x_{t+1}|ẑ_{t+1}) + β KL( q(z_t|x_t) ‖ N(0, I) ) + λ KL( ẑ_{t+1} ‖ q(z_{t+1}|x_{t+1}) )
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from torch import Tensor
from torch.nn import functional

from worldmodel.distributions import Normal, kl
from worldmodel.interface import State
from worldmodel.objectives.pairs import led_to, normals, standard
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window


class LocallyLinear(Protocol):
    """Dynamics with ``A = I + v rᵀ``: v and r ``[..., stoch]`` at latents ``[..., stoch]``."""

    def rank_one(self, stoch: Tensor) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class E2C:
    """Row t holds the terms of the pair that it ends, and those of its own frame.

    ``image``, ``reward``, ``continuation``: as in `worldmodel.objectives.elbo`. ``predicted_image``: of ẑ_t.
    ``standard_kl`` and ``consistency``: the two KLs. ``kl``: of the sequence's bound, for the log.

    beta: β. consistency: λ, 0.25 in the paper's experiments. incomplete: see `worldmodel.objectives.pairs.led_to`.
    """

    beta: float = 1.0
    consistency: float = 0.25
    incomplete: int = 0

    def __call__(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]:
        (posterior, prior), states = normals(inferred), inferred.states
        pair = led_to(window.batch.is_first, self.incomplete)
        predicted = State(states.deter, prior.sample(window.noise)).vector
        v, r = cast(LocallyLinear, model.dynamics).rank_one(states.stoch[:, :-1])
        before = Normal(posterior.mean[:, :-1], posterior.std[:, :-1])
        after, target = (Normal(one.mean[:, 1:], one.std[:, 1:]) for one in (prior, posterior))
        # the prior's mean was taken at the sample, where A is; the distribution is pushed through from its mean
        moved = before.mean - states.stoch[:, :-1]
        mean = after.mean + moved + v * (r * moved).sum(-1, keepdim=True)
        transition = pushed_kl(mean, before.std.square(), after.std.square(), v, r, target)
        return model.likelihoods(window, states.vector) | {
            "predicted_image": model.image_nll(predicted, window.images) * pair,
            "standard_kl": self.beta * kl(posterior, standard(posterior)),
            "consistency": self.consistency * functional.pad(transition, (1, 0)) * pair,
            "kl": kl(posterior.detach(), prior.detach()),
        }


def pushed_kl(mean: Tensor, variance: Tensor, noise: Tensor, v: Tensor, r: Tensor, target: Normal) -> Tensor:
    """KL( N(mean, A S Aᵀ + H) ‖ target ) in nats, ``[...]``, for ``A = I + v rᵀ``, S and H diagonal; all ``[..., n]``.

    Exact in O(n): with D = S + H, w = S r and s = rᵀ S r the covariance is ``D + v wᵀ + w vᵀ + s v vᵀ``, and by the
    matrix determinant lemma its determinant is ``|D| ((1 + b)² + a (s - c))``, with a, b, c = vᵀD⁻¹v, vᵀD⁻¹w, wᵀD⁻¹w.
    """
    d, w = variance + noise, variance * r
    s = (r * w).sum(-1)
    a, b, c = (v * v / d).sum(-1), (v * w / d).sum(-1), (w * w / d).sum(-1)
    log_determinant = d.log().sum(-1) + ((1 + b).square() + a * (s - c)).log()
    diagonal = d + 2 * v * w + s[..., None] * v * v
    scaled = (diagonal + (mean - target.mean).square()) / target.std.square() - 1 + 2 * target.std.log()
    return 0.5 * (scaled.sum(-1) - log_determinant)
