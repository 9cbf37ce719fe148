"""Image networks for small things in wide pictures: patches that see their neighbours, and a decoder with sines.

Next to the plain patches of `worldmodel.images` they cost as much on a CPU, and find and paint a thin pole on a moving
cart several times as exactly (docs/log.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worldmodel.images import require_multiple
from worldmodel.muon import by_adam


class FineEncoder(nn.Module):
    """``[..., channel, size, size] -> [..., features]``: half patches embedded (a convolution with kernel = stride),
    mixed with their neighbours (3 × 3), then one dense layer with layer normalisation (Ba 2016).

    patch, width: as of `worldmodel.images.PatchEncoder`; a half patch has a quarter of the features.
    """

    def __init__(self, size: int, channels: int, features: int, patch: int = 8, width: int = 64):
        super().__init__()
        require_multiple(size, patch, "the patch size")
        half, narrow = patch // 2, max(1, width // 4)
        self.size, self.channels, self.features = size, channels, features
        self.embed = nn.Conv2d(channels, narrow, half, stride=half)
        self.neighbours = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.mix = nn.Linear(narrow * (size // half) ** 2, features)
        self.norm = nn.LayerNorm(features)

    def forward(self, image: Tensor) -> Tensor:
        batch = image.shape[:-3]
        hidden = nn.functional.elu(self.embed(image.reshape(-1, self.channels, self.size, self.size) - 0.5))
        hidden = nn.functional.elu(self.neighbours(hidden)).flatten(1)
        return nn.functional.elu(self.norm(self.mix(hidden))).reshape(*batch, self.features)


class FineDecoder(nn.Module):
    """``[..., latent] -> [..., channel, size, size]``: sines of the latent, two dense layers that give each patch its
    own code, one shared linear layer that paints it.

    A network of smooth units learns a picture that changes quickly with the latent, such as a dot that moves across it,
    only slowly; random frequencies at the entrance take that away (Tancik 2020; sines as units: Sitzmann 2020).
    frequency: theirs, in radians per unit of a typical latent. The higher it is, the more twisted a latent it puts up
    with (docs/log.md).
    """

    def __init__(
        self,
        latent: int,
        size: int,
        channels: int,
        hidden: int = 128,
        patch: int = 8,
        width: int = 64,
        frequency: float = 3.0,
    ):
        super().__init__()
        require_positive(frequency)
        require_multiple(size, patch, "the patch size")
        self.size, self.channels, self.patch = size, channels, patch
        self.waves = by_adam(nn.Linear(latent, hidden))
        self.lift = nn.Linear(hidden, hidden)
        self.codes = nn.Linear(hidden, width * (size // patch) ** 2)
        self.paint = by_adam(nn.Linear(width, channels * patch * patch))
        nn.init.normal_(self.waves.weight, 0, frequency / latent**0.5)
        nn.init.constant_(self.paint.bias, 0.5)  # start from grey

    def forward(self, latent: Tensor) -> Tensor:
        batch, p, n = latent.shape[:-1], self.patch, self.size // self.patch
        hidden = nn.functional.elu(self.lift(torch.sin(self.waves(latent))))
        patches = self.paint(nn.functional.elu(self.codes(hidden)).reshape(-1, n * n, self.paint.in_features))
        rows = patches.reshape(-1, n, n, p, p, self.channels).permute(0, 1, 3, 2, 4, 5)
        return rows.reshape(*batch, self.size, self.size, self.channels).movedim(-1, -3)


def require_positive(frequency: float) -> None:
    if not frequency > 0:  # false for NaN too
        raise ValueError(
            f"The decoder's sines need a frequency above 0; {frequency} came. Take images=patch for a decoder without."
        )
