"""The actor: from a latent state to a distribution of actions, a normal squashed by tanh into [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import Normal
from worldmodel.interface import State
from worldmodel.networks import mlp

MEAN_LIMIT = 3.0  # of the normal's mean: tanh(3) is 0.995, and beyond it no gradient comes back
MAX_STD = 1.0  # of the normal: squashed, that is about uniform
START = 2.0  # raw value that the std starts at: sigmoid(2) of the way from the least to the most


class TanhNormal(NamedTuple):
    """``action = tanh(raw)`` with ``raw`` from ``normal``, ``[..., action]`` (Haarnoja 2018, appendix C)."""

    normal: Normal

    @property
    def mode(self) -> Tensor:
        """The action of the normal's mean, taken when nothing is to be explored, ``[..., action]``."""
        return torch.tanh(self.normal.mean)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Action and the raw value it came from, ``[..., action]`` each, differentiable in mean and std."""
        raw = self.normal.sample(noise)
        return torch.tanh(raw), raw

    def log_prob(self, raw: Tensor) -> Tensor:
        """Log-density of the action ``tanh(raw)``, ``[..., action] -> [...]``; exact where tanh rounds to one."""
        slope = 2 * (math.log(2) - raw - functional.softplus(-2 * raw))  # log of d tanh(raw) / d raw
        return self.normal.log_prob(raw) - slope.sum(-1)


class Actor(nn.Module):
    """Perceptron from ``State [..., latent]`` to `TanhNormal`; starts with a mean of zero in every state.

    hidden: widths of the layers. min_std: of the normal.
    """

    def __init__(self, latent: int, action: int, hidden: Sequence[int], min_std: float = 0.1):
        super().__init__()
        if not 0 < min_std < MAX_STD:
            raise ValueError(f"An actor's min_std must be in (0, {MAX_STD}); got {min_std}. The usual one is 0.1.")
        self.action, self.min_std = action, min_std
        self.net = mlp(latent, hidden, 2 * action)
        zero_last(self.net)

    def forward(self, state: State) -> TanhNormal:
        mean, raw = self.net(state.vector).chunk(2, -1)
        std = self.min_std + (MAX_STD - self.min_std) * torch.sigmoid(raw + START)
        return TanhNormal(Normal(MEAN_LIMIT * torch.tanh(mean / MEAN_LIMIT), std))


def zero_last(net: nn.Sequential) -> None:
    """Zero weights in the last layer: what is untrained says the same of every state (Hafner 2023)."""
    for parameter in net[-1].parameters():
        nn.init.zeros_(parameter)
