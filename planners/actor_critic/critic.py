"""The critic: the value of a latent state under the actor, as a distribution over bins (see `two_hot`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from planners.actor_critic.actor import zero_last
from planners.actor_critic.two_hot import cross_entropy, expected
from worldmodel.interface import State
from worldmodel.networks import normed_mlp

BINS = 101
LIMIT = 7.0  # in symlog space: values of up to e^7 - 1, about 1100, to either side


class Critic(nn.Module):
    """Perceptron from ``State [..., latent]`` to a value ``[...]``, in units of return; zero before any training."""

    bins: Tensor

    def __init__(self, latent: int, hidden: Sequence[int]):
        super().__init__()
        self.net = normed_mlp(latent, hidden, BINS)
        zero_last(self.net)
        self.register_buffer("bins", torch.linspace(-LIMIT, LIMIT, BINS), persistent=False)

    def forward(self, state: State) -> Tensor:
        return expected(torch.softmax(self.net(state.vector), -1), self.bins)

    def loss(self, state: State, value: Tensor) -> Tensor:
        """Cross-entropy in nats to the targets ``value [...]``, ``[...]``."""
        return cross_entropy(self.net(state.vector), value, self.bins)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, share: float) -> None:
    """Move the weights of ``slow`` by ``share`` towards those of ``fast`` (Mnih 2015; Lillicrap 2016)."""
    torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), share)
