"""What is read off a latent state besides the image: the reward and whether the episode goes on."""

from __future__ import annotations

from torch import Tensor, nn

from worldmodel.kernels.mlp import mlp as kernel
from worldmodel.networks import mlp

MOST_STEPS_GO_ON = 2.0  # logit that an untrained head starts from


class RewardHead(nn.Module):
    """Mean of a normal over the reward on arrival: ``[...]`` from the latent, ``[..., latent]`` or its parts."""

    def __init__(self, latent: int, hidden: int):
        super().__init__()
        self.net = mlp(latent, [hidden, hidden], 1)

    def forward(self, *parts: Tensor) -> Tensor:
        return kernel(tuple(self.net.parameters()), parts).squeeze(-1)


class ContinuationHead(nn.Module):
    """Logit of the probability that the episode goes on: ``[...]`` from the latent, ``[..., latent]`` or its parts."""

    def __init__(self, latent: int, hidden: int):
        super().__init__()
        self.net = mlp(latent, [hidden], 1)

    def forward(self, *parts: Tensor) -> Tensor:
        return kernel(tuple(self.net.parameters()), parts).squeeze(-1) + MOST_STEPS_GO_ON


class Heads(nn.Module):
    """The reward and the continuation head of one model."""

    def __init__(self, latent: int, hidden: int):
        super().__init__()
        self.reward = RewardHead(latent, hidden)
        self.continuation = ContinuationHead(latent, hidden // 2)
