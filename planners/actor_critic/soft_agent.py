"""Soft actor-critic's parts: an actor, two critics of state and action with their slow copies, and a temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from planners.actor_critic.actor import Actor
from worldmodel.interface import State
from worldmodel.networks import normed_mlp

FIRST_TEMPERATURE = 0.1


class Dropout(NamedTuple):
    """A share of the hidden units is left out, drawn anew for every row, with the generator's numbers."""

    share: float
    generator: torch.Generator

    def __call__(self, x: Tensor) -> Tensor:
        kept = torch.rand(x.shape, generator=self.generator, device=x.device) >= self.share
        return x * kept / (1 - self.share)


class TwinCritic(nn.Module):
    """Two perceptrons from ``State [..., latent]`` and action ``[..., action]`` to the value ``[...]`` of both."""

    def __init__(self, latent: int, action: int, hidden: Sequence[int]):
        super().__init__()
        self.nets = nn.ModuleList(normed_mlp(latent + action, hidden, 1) for _ in range(2))

    def forward(self, state: State, action: Tensor, dropout: Dropout | None = None) -> tuple[Tensor, Tensor]:
        """dropout: of what each hidden layer gives, before it is normed (Hiraoka 2022); none where values are used."""
        seen = torch.cat([state.vector, action], -1)
        one, other = (through(net, seen, dropout).squeeze(-1) for net in self.nets)
        return one, other

    def least(self, state: State, action: Tensor, dropout: Dropout | None = None) -> Tensor:
        """The lower of the two: a critic that errs upwards is not believed (Fujimoto 2018)."""
        return torch.minimum(*self(state, action, dropout))


def through(net: nn.Module, x: Tensor, dropout: Dropout | None) -> Tensor:
    """``net(x)``, with dropout after all linear layers but the last."""
    *hidden, last = net.children()
    for layer in hidden:
        x = layer(x)
        if dropout and isinstance(layer, nn.Linear):
            x = dropout(x)
    return last(x)


class SoftActorCritic(nn.Module):
    """For latents of width ``latent`` and continuous actions; hidden: widths of the layers of all perceptrons.

    orthogonal: whether weights are, the last layers' too, and biases zero (Saxe 2014): an untrained actor then does
    something else in every state. Else they are PyTorch's, and the actor's last ones zero.
    """

    def __init__(self, latent: int, action: int, hidden: Sequence[int], orthogonal: bool = True):
        super().__init__()
        self.actor = Actor(latent, action, hidden)
        self.critic = TwinCritic(latent, action, hidden)
        if orthogonal:
            orthogonal_weights(self)
        self.slow = deepcopy(self.critic).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(FIRST_TEMPERATURE)))

    def value(self, state: State) -> Tensor:
        """What the actor's mode is worth in ``state [..., latent]``: ``[...]``, bonuses for later entropy included."""
        return self.slow.least(state, self.actor(state).mode)


def orthogonal_weights(agent: nn.Module) -> None:
    for layer in agent.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.bias)
