"""Distributions of the latent as values, and the families that make them of a network's raw outputs.

A family is what prior and posterior have in common: the dynamics own it, and the encoder puts out what it takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor
from torch.nn import functional


class Distribution(Protocol):
    """One distribution for each entry of the leading axes: a named tuple of tensors ``[..., parameter]``."""

    def sample(self, noise: Tensor | None = None) -> Tensor:
        """A sample ``[..., stoch]`` that gradients flow through, from standard normal noise of the same shape.

        Without noise the most likely value: a normal's mean, the one-hot mode of a categorical.
        """
        ...

    def detach(self) -> Self: ...
    def __iter__(self) -> Iterator[Tensor]: ...


class Family(Protocol):
    """From raw network outputs ``[..., statistics]`` to distributions over ``[..., stoch]``."""

    @property
    def stoch(self) -> int: ...
    @property
    def statistics(self) -> int: ...
    def __call__(self, raw: Tensor) -> Distribution: ...


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


@dataclass(frozen=True)
class NormalLatent:
    """Independent normals: the raw outputs are their means and, before softplus, their stds above ``min_std``."""

    stoch: int
    min_std: float = 0.1

    @property
    def statistics(self) -> int:
        return 2 * self.stoch

    def __call__(self, raw: Tensor) -> Normal:
        mean, raw_std = raw.chunk(2, -1)
        return Normal(mean, functional.softplus(raw_std) + self.min_std)


def kl_per_dimension(q: Normal, p: Normal) -> Tensor:
    """KL(q ‖ p) of each dimension in nats, ``[..., stoch]`` (Kingma & Welling 2014, appendix B)."""
    ratio = q.std / p.std
    return 0.5 * (ratio.square() + ((q.mean - p.mean) / p.std).square() - 1) - ratio.log()


@singledispatch
def kl(q: Any, p: Any) -> Tensor:
    """KL(q ‖ p) in nats between two distributions of one family, summed over the latent, ``[...]``."""
    raise TypeError(f"there is no KL between {type(q).__name__} and {type(p).__name__}; write one in distributions.py")


@kl.register
def _(q: Normal, p: Normal) -> Tensor:
    return kl_per_dimension(q, p).sum(-1)


Some = TypeVar("Some", bound=Distribution)


def stack(parts: Sequence[Some], dim: int) -> Some:
    """Distributions of one family along a new axis of their tensors."""
    kind: Any = type(parts[0])
    return kind(*(torch.stack(tensors, dim) for tensors in zip(*parts, strict=True)))
