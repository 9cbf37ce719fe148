"""Images in and out of the model: patch embeddings and matrix-product decoders, and the classic convolutions.

On CPUs the patch networks are several times faster than the convolutions (`benchmarks/test_images.py`): a patch
embedding is a convolution with kernel = stride, hence one plain matrix product, and the decoder is its mirror image.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from worldmodel.muon import by_adam


def to_model(observation: Tensor, dtype: torch.dtype) -> Tensor:
    """The model's door: uint8 ``[..., height, width, channel]`` -> ``[..., channel, height, width]`` in [0, 1]."""
    if observation.dtype != torch.uint8:
        raise TypeError(
            f"Observations must be uint8 images [..., height, width, channel]; got dtype {observation.dtype}. "
            "Scale to 0..255 and convert with .to(torch.uint8)."
        )
    return observation.to(dtype).mul_(1 / 255).movedim(-1, -3)


HALVED = 16  # four convolutions of stride 2


def require_multiple(size: int, of: int, what: str) -> None:
    if size % of:
        raise ValueError(
            f"The image size must be a multiple of {of}, {what}; got {size}. "
            f"Use an image size such as {of * max(1, round(size / of))}, or other image networks or patches."
        )


class PatchEncoder(nn.Module):
    """``[..., channel, size, size] -> [..., features]``: one linear embedding per patch, then one dense layer."""

    def __init__(self, size: int, channels: int, features: int, patch: int = 8, width: int = 32):
        super().__init__()
        require_multiple(size, patch, "the patch size")
        self.size, self.channels, self.patch, self.features = size, channels, patch, features
        self.embed = nn.Linear(channels * patch * patch, width)
        self.mix = nn.Linear(width * (size // patch) ** 2, features)
        with torch.no_grad():  # as if the pixels were centred on zero, without a pass over them
            self.embed.bias.sub_(0.5 * self.embed.weight.sum(1))

    def forward(self, image: Tensor) -> Tensor:
        batch, p, n = image.shape[:-3], self.patch, self.size // self.patch
        # pixels lie in memory as [row, column, channel]: patches are cut in that order, which copies whole runs
        rows = image.movedim(-3, -1).reshape(-1, n, p, n, p, self.channels)
        patches = rows.permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, p * p * self.channels)
        hidden = nn.functional.elu(self.embed(patches)).flatten(-2)
        return nn.functional.elu(self.mix(hidden)).reshape(*batch, self.features)


class CoarseEncoder(nn.Module):
    """``[..., channel, size, size] -> [..., features]``: the averages of all patches, then one dense layer."""

    def __init__(self, size: int, channels: int, features: int, patch: int = 8):
        super().__init__()
        require_multiple(size, patch, "the patch size")
        self.patch, self.features = patch, features
        self.mix = nn.Linear(channels * (size // patch) ** 2, features)

    def forward(self, image: Tensor) -> Tensor:
        averages = nn.functional.avg_pool2d(image.reshape(-1, *image.shape[-3:]), self.patch)
        return nn.functional.elu(self.mix(averages.flatten(1))).reshape(*image.shape[:-3], self.features)


class PatchDecoder(nn.Module):
    """``[..., latent] -> [..., channel, size, size]``: the mirror image of `PatchEncoder`.

    Two dense layers give each patch its own code, one shared linear layer paints it (a sub-pixel convolution, Shi et
    al. 2016, with the whole patch as the sub-pixel grid).
    """

    def __init__(self, latent: int, size: int, channels: int, hidden: int = 128, patch: int = 8, width: int = 32):
        super().__init__()
        require_multiple(size, patch, "the patch size")
        self.size, self.channels, self.patch = size, channels, patch
        self.lift = nn.Linear(latent, hidden)
        self.codes = nn.Linear(hidden, width * (size // patch) ** 2)
        self.paint = by_adam(nn.Linear(width, channels * patch * patch))
        nn.init.constant_(self.paint.bias, 0.5)  # start from grey

    def forward(self, latent: Tensor) -> Tensor:
        batch, p, n = latent.shape[:-1], self.patch, self.size // self.patch
        hidden = nn.functional.elu(self.codes(nn.functional.elu(self.lift(latent))))
        patches = self.paint(hidden.reshape(-1, n * n, self.paint.in_features))
        rows = patches.reshape(-1, n, n, p, p, self.channels).permute(0, 1, 3, 2, 4, 5)
        return rows.reshape(*batch, self.size, self.size, self.channels).movedim(-1, -3)


class ConvEncoder(nn.Module):
    """The classic strided convolutions (Ha & Schmidhuber 2018; PlaNet): kernel 4, stride 2, channels doubling."""

    def __init__(self, size: int, channels: int, features: int, width: int = 32):
        super().__init__()
        require_multiple(size, HALVED, "which the convolutions halve four times")
        self.size, self.channels, self.features = size, channels, features
        widths = [channels, width, 2 * width, 4 * width, 8 * width]
        pairs = pairwise(widths)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        self.mix = nn.Linear(8 * width * (size // HALVED) ** 2, features)

    def forward(self, image: Tensor) -> Tensor:
        batch = image.shape[:-3]
        hidden = image.reshape(-1, self.channels, self.size, self.size) - 0.5
        for layer in self.layers:
            hidden = nn.functional.elu(layer(hidden))
        return nn.functional.elu(self.mix(hidden.flatten(1))).reshape(*batch, self.features)


class ConvDecoder(nn.Module):
    """The classic transposed convolutions, mirror image of `ConvEncoder`."""

    def __init__(self, latent: int, size: int, channels: int, width: int = 32):
        super().__init__()
        require_multiple(size, HALVED, "which the convolutions halve four times")
        self.size, self.channels = size, channels
        self.start = (8 * width, size // HALVED, size // HALVED)
        self.lift = nn.Linear(latent, 8 * width * (size // HALVED) ** 2)
        widths = [8 * width, 4 * width, 2 * width, width, channels]
        pairs = pairwise(widths)
        self.layers = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        by_adam(self.layers[-1])

    def forward(self, latent: Tensor) -> Tensor:
        batch = latent.shape[:-1]
        hidden = self.lift(latent).reshape(-1, *self.start)
        for layer in self.layers:
            hidden = layer(nn.functional.elu(hidden))
        return (hidden + 0.5).reshape(*batch, self.channels, self.size, self.size)
