"""A network that paints coarse pictures from poses, learned beside a model and thrown away afterwards.

Contrast, slowness and unit covariance are content with a pose that tells the coarse of a state, such as where the first
two of three links are. The picture cannot be painted from it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.networks import mlp

SQUARE = 4  # pixels: side of the squares that pictures are averaged over


class Painter(nn.Module):
    """``weight`` times the squared error of the averages over all squares, summed over a picture."""

    def __init__(self, pose: int, size: int, hidden: int, weight: float):
        super().__init__()
        self.weight, self.net = weight, mlp(pose, [hidden, hidden], (size // SQUARE) ** 2)

    def forward(self, pose: Tensor, frame: Tensor) -> Tensor:
        """``[count, pose]``, ``[count, 1, size, size]`` -> mean over pictures, a number."""
        averages = functional.avg_pool2d(frame, SQUARE).flatten(1)
        return self.weight * (self.net(pose) - averages).square().sum(-1).mean()

    @torch.no_grad()
    def begin(self, frame: Tensor) -> None:
        """Paint the mean of ``frame [count, 1, size, size]`` at first."""
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        last.bias.copy_(functional.avg_pool2d(frame, SQUARE).flatten(1).mean(0))
