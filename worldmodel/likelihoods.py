"""Likelihoods of pixels given the decoder's output: what the output means, and how well it explains an image."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

LOG_2PI = math.log(2 * math.pi)


class Likelihood(Protocol):
    """p(image | output), pixels independent. output and image: ``[..., channel, height, width]``."""

    def mean(self, output: Tensor) -> Tensor:
        """Mean image, in [0, 1]."""
        ...

    def nll(self, output: Tensor, image: Tensor) -> Tensor:
        """-log p(image | output) in nats, summed over pixels, ``[...]``; image in [0, 1]."""
        ...


class Gaussian(NamedTuple):
    """The output is the mean of a normal with one standard deviation for all pixels."""

    std: float

    def mean(self, output: Tensor) -> Tensor:
        return output.clamp(0, 1)

    def nll(self, output: Tensor, image: Tensor) -> Tensor:
        return normal_nll(pixels_last(output), pixels_last(image), self.std)


class Bernoulli(NamedTuple):
    """The output is the logit of a pixel being on; grey counts as a probability (E2C, Watter 2015, section 3)."""

    def mean(self, output: Tensor) -> Tensor:
        return torch.sigmoid(output)

    def nll(self, output: Tensor, image: Tensor) -> Tensor:
        pixels, target = pixels_last(output), pixels_last(image)
        return functional.binary_cross_entropy_with_logits(pixels, target, reduction="none").sum(-1)


def pixels_last(image: Tensor) -> Tensor:
    """``[..., channel, height, width] -> [..., pixels]``, in the order in which they lie in memory."""
    return image.movedim(-3, -1).flatten(-3)


def normal_nll(mean: Tensor, value: Tensor, std: float) -> Tensor:
    """-log N(value; mean, std²) in nats, summed over the last axis: ``[..., width] -> [...]``."""
    constant = value.shape[-1] * (math.log(std) + 0.5 * LOG_2PI)
    return (mean - value).square().sum(-1) * (0.5 / std**2) + constant
