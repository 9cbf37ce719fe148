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

    def raw(self, std: Tensor) -> Tensor:
        """What a network must put out for ``std``, or for one just above the smallest there is."""
        return (std - self.min_std).clamp(min=0.01).expm1().log()

    def standard(self, like: Tensor) -> Normal:
        """Zero mean and unit std, ``[stoch]``, with the device and dtype of ``like``."""
        return Normal(like.new_zeros(self.stoch), like.new_ones(self.stoch))


class Categorical(NamedTuple):
    """Independent categorical variables, drawn as one-hot vectors: ``[..., groups, classes]``."""

    probabilities: Tensor

    def sample(self, noise: Tensor | None = None) -> Tensor:
        """One-hot sample ``[..., groups * classes]``, its gradient that of the probabilities (Bengio 2013).

        Every class arrives at a random time, at the rate of its probability; the first is the sample, which is what
        the largest log-probability with Gumbel noise is. The mode without noise.
        """
        scores = self.probabilities
        if noise is not None:
            scores = scores / exponential(noise).view(scores.shape)
        hard = torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)
        if scores.requires_grad:
            hard = hard + (self.probabilities - self.probabilities.detach())
        return hard.flatten(-2)

    def detach(self) -> Categorical:
        return Categorical(self.probabilities.detach())


def exponential(noise: Tensor) -> Tensor:
    """Exponential noise of unit rate by the probability integral of standard normal noise, ``-log Φ(n)``, never 0."""
    tail, tiny = 0.5 * torch.special.erfc(math.sqrt(0.5) * noise.abs()), torch.finfo(noise.dtype).tiny
    return torch.where(noise < 0, -tail.clamp(min=tiny).log(), -torch.log1p(-tail)).clamp(min=tiny)


@dataclass(frozen=True)
class CategoricalLatent:
    """Categorical variables: the raw outputs are logits, and ``unimix`` of the probability is spread evenly.

    So that no class ever has probability zero (DreamerV3, Hafner 2023).
    """

    groups: int
    classes: int
    unimix: float = 0.01

    @property
    def stoch(self) -> int:
        return self.groups * self.classes

    @property
    def statistics(self) -> int:
        return self.stoch

    def __call__(self, raw: Tensor) -> Categorical:
        return Categorical((1 - self.unimix) * self._own(raw) + self.unimix / self.classes)

    def _own(self, raw: Tensor) -> Tensor:
        return functional.softmax(raw.unflatten(-1, (self.groups, self.classes)), -1)

    def slope(self, raw: Tensor, derivative: Tensor) -> Tensor:
        """Of a sample, straight through, where the raw outputs have ``derivative [..., statistics, inputs]``."""
        own, parts = self._own(raw)[..., None], derivative.unflatten(-2, (self.groups, self.classes))
        return (1 - self.unimix) * (own * (parts - (own * parts).sum(-2, keepdim=True))).flatten(-3, -2)


class Point(NamedTuple):
    """No distribution but one value ``[..., stoch]``, which is every sample."""

    value: Tensor

    def sample(self, noise: Tensor | None = None) -> Tensor:
        return self.value

    def detach(self) -> Point:
        return Point(self.value.detach())


@dataclass(frozen=True)
class PointLatent:
    """The raw outputs are the latent: nothing is sampled."""

    stoch: int

    @property
    def statistics(self) -> int:
        return self.stoch

    def __call__(self, raw: Tensor) -> Point:
        return Point(raw)


class CorrelatedNormal(NamedTuple):
    """A normal with full covariance: mean ``[..., stoch]``, covariance ``[..., stoch, stoch]``."""

    mean: Tensor
    covariance: Tensor

    def sample(self, noise: Tensor | None = None) -> Tensor:
        if noise is None:
            return self.mean
        return self.mean + (torch.linalg.cholesky(self.covariance) @ noise[..., None]).squeeze(-1)

    def detach(self) -> CorrelatedNormal:
        return CorrelatedNormal(self.mean.detach(), self.covariance.detach())


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


@kl.register
def _(q: CorrelatedNormal, p: Normal) -> Tensor:
    """½ (tr(P⁻¹ Q) + |m_q - m_p|²_{P⁻¹} - n + ln |P| - ln |Q|) with P diagonal."""
    precision = p.std.square().reciprocal()
    spread = (precision * torch.diagonal(q.covariance, dim1=-2, dim2=-1)).sum(-1)
    distance = (precision * (q.mean - p.mean).square()).sum(-1)
    volume = 2 * p.std.log().sum(-1) - torch.linalg.slogdet(q.covariance).logabsdet
    return 0.5 * (spread + distance - q.mean.shape[-1] + volume)


@kl.register
def _(q: Categorical, p: Categorical) -> Tensor:
    return (q.probabilities * (q.probabilities.log() - p.probabilities.log())).sum((-1, -2))


@kl.register
def _(q: Point, p: Point) -> Tensor:
    """Half the squared distance: what is left of the KL if both stand for normals of unit std."""
    return 0.5 * (q.value - p.value).square().sum(-1)


Some = TypeVar("Some", bound=Distribution)


def stack(parts: Sequence[Some], dim: int) -> Some:
    """Distributions of one family along a new axis of their tensors."""
    kind: Any = type(parts[0])
    return kind(*(torch.stack(tensors, dim) for tensors in zip(*parts, strict=True)))


def where(choice: Tensor, one: Some, other: Some) -> Some:
    """``one`` in the rows ``[...]`` that are chosen, ``other`` in the rest; their leading axes broadcast."""
    kind: Any = type(other)
    parts = zip(one, other, strict=True)
    return kind(*(torch.where(choice.view(*choice.shape, *[1] * (b.dim() - choice.dim())), a, b) for a, b in parts))
