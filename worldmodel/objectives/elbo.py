"""The evidence lower bound of a sequence, with what makes it learn: balance, free nats, open-loop likelihoods."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from worldmodel.distributions import Distribution, kl
from worldmodel.objectives.open_loop import open_loop_likelihoods
from worldmodel.objectives.overshooting import overshooting_kl
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window


@dataclass(frozen=True)
class Elbo:
    """Terms of the negative bound.

    ``image``, ``reward``, ``continuation``: negative log-likelihoods under the posterior. ``kl``: the true KL, for the
    log. ``kl_loss``: with balance and free nats, times ``beta``, which is what is trained. ``open_loop_image``,
    ``open_loop_reward``: see `worldmodel.objectives.open_loop`.

    beta: weight of the KL (Higgins 2017). free_nats: KL below this costs nothing (Kingma 2016). balance: share of the
    KL's gradient that trains the prior towards the posterior rather than the reverse (DreamerV2, Hafner 2021, eq. 2).
    open_loop: weight of the open-loop likelihoods; 0 leaves them out. open_loop_steps: how far they look ahead.
    open_loop_images: every how many rows an image is decoded for them (the reward is cheap and predicted at every row).
    overshooting, overshooting_steps: weight and reach of `worldmodel.objectives.overshooting`; 0 leaves it out.
    """

    beta: float = 1.0
    free_nats: float = 1.0
    balance: float = 0.8
    open_loop: float = 1.0
    open_loop_steps: int = 16
    open_loop_images: int = 4
    overshooting: float = 0.0
    overshooting_steps: int = 5

    def __call__(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]:
        terms = model.likelihoods(window, inferred.states.vector) | {
            "kl": kl(inferred.posterior.detach(), inferred.prior.detach()),
            "kl_loss": self.beta * balanced_kl(inferred.posterior, inferred.prior, self.balance, self.free_nats),
        }
        if self.open_loop:
            ahead = open_loop_likelihoods(model, window, inferred.states, self.open_loop_steps, self.open_loop_images)
            terms |= {name: self.open_loop * term for name, term in ahead.items()}
        if self.overshooting:
            ahead_kl = overshooting_kl(model, window, inferred, self.overshooting_steps)
            terms["overshooting"] = self.overshooting * ahead_kl
        return terms


def balanced_kl(posterior: Distribution, prior: Distribution, balance: float, free_nats: float) -> Tensor:
    """KL with balance and free nats, ``[...]`` (DreamerV2 eq. 2; free nats on each half as in DreamerV3 eq. 5)."""
    train_prior = kl(posterior.detach(), prior).clamp(min=free_nats)
    train_posterior = kl(posterior, prior.detach()).clamp(min=free_nats)
    return balance * train_prior + (1 - balance) * train_posterior
