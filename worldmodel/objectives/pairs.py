"""What objectives on pairs of neighbouring rows share: E2C, PCC and PC3 know transitions, not sequences."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from worldmodel.distributions import Distribution, Normal
from worldmodel.sequence_vae import Posterior

Some = TypeVar("Some", bound=Distribution)


def led_to(is_first: Tensor, incomplete: int) -> Tensor:
    """Rows ``[batch, time]`` that end a pair: the row before is of the same episode and saw a complete stack.

    incomplete: how many rows of a window do not, since it was cut from the middle of an episode. At an episode's start
    there are no earlier frames to be missed.
    """
    rows = torch.arange(is_first.shape[1], device=is_first.device)
    complete_before = (rows > incomplete) | (is_first.cumsum(1) > 0)
    return ~is_first & complete_before & (rows > 0)


def rows(distribution: Some, chosen: slice) -> Some:
    """Some rows of distributions over ``[batch, time, ...]``."""
    kind: Any = type(distribution)
    return kind(*(x[:, chosen] for x in distribution))


def normals(inferred: Posterior) -> tuple[Normal, Normal]:
    """Posterior and prior, if they are normal. Raises TypeError where the latent is of another family."""
    if not isinstance(inferred.posterior, Normal) or not isinstance(inferred.prior, Normal):
        raise TypeError(
            f"Objectives on pairs need normal latents; {type(inferred.posterior).__name__} came. "
            "Take the objective elbo, or dynamics with a normal latent."
        )
    return inferred.posterior, inferred.prior


def standard(like: Normal) -> Normal:
    return Normal(torch.zeros_like(like.mean), torch.ones_like(like.std))
