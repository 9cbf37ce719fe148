"""Likelihoods of pixels given the decoder's output: what the output means, and how well it explains an image."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
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


class OwnUnits(nn.Module):
    """The output is the mean of a normal in units of each pixel's own deviation, from each pixel's own mean.

    Every pixel that ever changes counts alike then: a ball of two pixels, which most pixels seldom see, as much as what
    is large, and the background is known from the start.

    std: root mean square over the pixels of the normals' deviations, which are ``std`` times the pixel's own over the
    root mean square of all. observation: (height, width, channel). Until `begin_with` all pixels are alike.
    """

    least = 0.02  # of deviations, pixels in [0, 1]: pixels that hardly change are not worth more

    def __init__(self, std: float, observation: tuple[int, int, int]):
        super().__init__()
        self.std = std
        self.register_buffer("middle", torch.full(observation, 0.5))
        self.register_buffer("deviation", torch.full(observation, 0.25))
        self.middle: Tensor
        self.deviation: Tensor

    @torch.no_grad()
    def begin_with(self, images: Tensor) -> None:
        """Mean and deviation of ``[..., channel, height, width]``, in [0, 1]."""
        pixels = images.movedim(-3, -1).flatten(0, -4)
        self.middle.copy_(pixels.mean(0))
        self.deviation.copy_(pixels.std(0, correction=0).clamp(min=self.least))

    def mean(self, output: Tensor) -> Tensor:
        return (output * self.deviation.movedim(-1, 0) + self.middle.movedim(-1, 0)).clamp(0, 1)

    def nll(self, output: Tensor, image: Tensor) -> Tensor:
        middle, deviation = self.middle.flatten(), self.deviation.flatten()
        std = self.std / deviation.square().mean().sqrt()  # of every pixel, in its own units
        away = pixels_last(output) - (pixels_last(image) - middle) / deviation
        constant = (deviation.log() + std.log() + 0.5 * LOG_2PI).sum()
        return away.square().sum(-1) * (0.5 / std.square()) + constant


def pixels_last(image: Tensor) -> Tensor:
    """``[..., channel, height, width] -> [..., pixels]``, in the order in which they lie in memory."""
    return image.movedim(-3, -1).flatten(-3)


def normal_nll(mean: Tensor, value: Tensor, std: float) -> Tensor:
    """-log N(value; mean, std²) in nats, summed over the last axis: ``[..., width] -> [...]``."""
    constant = value.shape[-1] * (math.log(std) + 0.5 * LOG_2PI)
    return (mean - value).square().sum(-1) * (0.5 / std**2) + constant
