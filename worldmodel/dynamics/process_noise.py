"""The noise of dynamics whose mean alone depends on the state: the same everywhere, independent in each dimension."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import Normal, NormalLatent

SMALL = -2.0  # softplus of it is 0.13


class ProcessNoise(nn.Module):
    """Its std is learned and never below the latent's ``min_std``."""

    def __init__(self, latent: NormalLatent):
        super().__init__()
        self.latent = latent
        self.raw_std = nn.Parameter(torch.full((latent.stoch,), SMALL))

    @property
    def std(self) -> Tensor:
        """``[stoch]``: the root of the covariance's diagonal."""
        return functional.softplus(self.raw_std) + self.latent.min_std

    @torch.no_grad()
    def begin_with(self, std: Tensor) -> None:
        """Set that std before training, ``[stoch]``."""
        self.raw_std.copy_(self.latent.raw(std))

    @property
    def first(self) -> Normal:
        """p(z_1), of which it says nothing: the standard normal."""
        return self.latent.standard(self.raw_std)

    def around(self, mean: Tensor) -> Normal:
        """``[..., stoch]``."""
        return Normal(mean, self.std.expand_as(mean))
