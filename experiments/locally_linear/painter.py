"""A network that paints coarse pictures from poses, learned beside a model and thrown away afterwards.

Contrast, slowness and unit covariance are content with a pose that tells the coarse of a state, such as where the first
two of three links are. The picture cannot be painted from it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.muon import by_adam

SQUARE = 4  # pixels: side of the squares that pictures are averaged over
FREQUENCY = 3.0  # of the sines, in radians per unit of a pose
STILL = 0.02  # of a pixel's range: squares that change by less are painted as if they changed by this


class Painter(nn.Module):
    """``weight`` times the part of the squares' variance that is not painted, each square in units of its own std.

    In units of pixels the middle, where everything meets, would count several times as much as the rim, where the last
    of several links alone comes. Sines at the entrance, as in `worldmodel.fine_images.FineDecoder`.
    """

    def __init__(self, pose: int, frames: Tensor, hidden: int, weight: float):
        """frames ``[count, 1, size, size]``: what the mean, painted at first, and the units are taken from."""
        super().__init__()
        squares = averages(frames)
        self.weight = weight
        self.waves = by_adam(nn.Linear(pose, hidden))
        self.net = nn.Sequential(nn.Linear(hidden, hidden), nn.ELU(), nn.Linear(hidden, hidden), nn.ELU())
        self.paint = by_adam(nn.Linear(hidden, squares.shape[-1]))
        nn.init.normal_(self.waves.weight, 0, FREQUENCY / pose**0.5)
        with torch.no_grad():
            self.paint.bias.copy_(squares.mean(0))
        self.unit: Tensor
        self.variance: Tensor
        self.register_buffer("unit", squares.std(0).clamp(min=STILL))
        self.register_buffer("variance", (squares.std(0) / self.unit).square().sum())

    def forward(self, pose: Tensor, frame: Tensor) -> Tensor:
        """``[count, pose]``, ``[count, 1, size, size]`` -> mean over pictures, a number."""
        painted = self.paint(self.net(torch.sin(self.waves(pose))))
        wrong = ((painted - averages(frame)) / self.unit).square().sum(-1).mean()
        return self.weight * wrong / self.variance


def averages(frame: Tensor) -> Tensor:
    """Over all squares, ``[count, 1, size, size] -> [count, squares]``."""
    return functional.avg_pool2d(frame, SQUARE).flatten(1)
