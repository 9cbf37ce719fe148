"""Numbers as distributions over bins: a regression that does not mind the scale of its targets (Bellemare 2017).

The bins lie evenly in ``symlog`` space, so a few of them reach from small to large returns; there a number is the
mixture of the two bins beside it whose mean it is, and reading the mean gives the number back (Hafner 2023,
eq. 1 and 9, as Hansen 2024 reads it: the mean comes before `symexp`, so that far traces of probability do no harm).
"""

from __future__ import annotations

import torch
from torch import Tensor


def symlog(x: Tensor) -> Tensor:
    """``sign(x) ln(1 + |x|)``: linear near zero, logarithmic far away."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """The inverse of `symlog`."""
    return x.sign() * x.abs().expm1()


def cross_entropy(logits: Tensor, value: Tensor, bins: Tensor) -> Tensor:
    """-Σ two_hot(value) log softmax(logits) in nats: ``[..., bins]``, ``[...]`` -> ``[...]``."""
    upper, share = beside(value, bins)
    log_prob = torch.log_softmax(logits, -1)
    above = log_prob.gather(-1, upper[..., None])[..., 0]
    below = log_prob.gather(-1, upper[..., None] - 1)[..., 0]
    return -(share * above + (1 - share) * below)


def two_hot(value: Tensor, bins: Tensor) -> Tensor:
    """Probabilities ``[..., bins]``, at most two of them not zero, that `expected` reads as ``value [...]``.

    bins: ``[bins]``, rising, in symlog space. Values beyond the outermost count as those.
    """
    upper, share = beside(value, bins)
    empty = value.new_zeros(*value.shape, len(bins))
    below = empty.scatter(-1, upper[..., None] - 1, 1 - share[..., None])
    return below.scatter(-1, upper[..., None], share[..., None])


def expected(probabilities: Tensor, bins: Tensor) -> Tensor:
    """The number that ``[..., bins]`` stands for, ``[...]``."""
    return symexp(probabilities @ bins)


def beside(value: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the bin above each value ``[...]``, 1 at least, and that bin's share of the mixture, in [0, 1]."""
    held = symlog(value).clamp(bins[0], bins[-1])
    upper = torch.searchsorted(bins, held).clamp(1, len(bins) - 1)
    low, high = bins[upper - 1], bins[upper]
    return upper, (held - low) / (high - low)
