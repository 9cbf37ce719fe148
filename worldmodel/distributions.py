"""The diagonal normal distribution, as a value: the prior and the posterior of the latent."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Normal(NamedTuple):
    """Independent normals, mean and std ``[..., stoch]``."""

    mean: Tensor
    std: Tensor

    def sample(self, noise: Tensor | None = None) -> Tensor:
        """Reparameterised sample ``mean + std * noise`` (Kingma & Welling 2014, eq. 10); the mean without noise."""
        return self.mean if noise is None else torch.addcmul(self.mean, self.std, noise)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density summed over the last axis, ``[...]``."""
        scaled = (value - self.mean) / self.std
        return -(0.5 * scaled.square() + self.std.log() + 0.5 * math.log(2 * math.pi)).sum(-1)

    def detach(self) -> Normal:
        return Normal(self.mean.detach(), self.std.detach())


def kl_per_dimension(q: Normal, p: Normal) -> Tensor:
    """KL(q ‖ p) of each dimension in nats, ``[..., stoch]`` (Kingma & Welling 2014, appendix B)."""
    ratio = q.std / p.std
    return 0.5 * (ratio.square() + ((q.mean - p.mean) / p.std).square() - 1) - ratio.log()


def kl(q: Normal, p: Normal) -> Tensor:
    """KL(q ‖ p) in nats, summed over the last axis, ``[...]``."""
    return kl_per_dimension(q, p).sum(-1)
