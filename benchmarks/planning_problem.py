"""What all planners are given: the same dynamics and reward, as plain functions for the peers and as a world model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import NormalLatent
from worldmodel.dynamics.rssm import RSSM
from worldmodel.interface import Sizes, State
from worldmodel.kernels.mlp import mlp as kernel
from worldmodel.networks import mlp


@dataclass(frozen=True)
class Problem:
    """``transition(latent, action)`` and ``reward(latent)`` on arrival, on flat batches ``[candidates, ...]``, for the
    peers; ``model`` is the same for ours. All planners start at ``start [latent]``. dynamics: what ``model`` rolls out.
    """

    transition: Callable[[Tensor, Tensor], Tensor]
    reward: Callable[[Tensor], Tensor]
    model: PlainModel
    start: Tensor
    dynamics: RSSM | None = None

    @property
    def latent(self) -> int:
        return self.model.sizes.latent

    @property
    def action(self) -> int:
        return self.model.sizes.action


@dataclass(frozen=True)
class Setting:
    """The budget; a tenth of the candidates are elites."""

    candidates: int
    horizon: int
    iterations: int

    @property
    def elites(self) -> int:
        return max(2, self.candidates // 10)

    def __str__(self) -> str:
        return f"{self.candidates}x{self.horizon}x{self.iterations}"


@dataclass(frozen=True)
class PlainModel:
    """What sampling planners use of `worldmodel.interface.WorldModel`; episodes do not end, as for the peers."""

    sizes: Sizes
    rollout: Callable[[State, Tensor, Tensor | None], State]
    reward_of: Callable[[State], Tensor]

    def reward(self, state: State) -> Tensor:
        return self.reward_of(state)

    def continues(self, state: State) -> Tensor:
        return state.stoch.new_ones(state.stoch.shape[:-1])


def planet(action: int = 6, device: str = "cpu") -> Problem:
    """PlaNet's sizes (Hafner 2019, appendix A): deter 200, stoch 30, hidden 200, reward from two layers of 200; random
    weights. The peers' step is the leanest that plain torch has: `nn.GRUCell` and no standard deviation, of which a
    mean step has no need.
    """
    torch.manual_seed(0)
    dynamics = RSSM(200, NormalLatent(30), action, 200).requires_grad_(False).to(device)
    head = mlp(230, [200, 200], 1).requires_grad_(False).to(device)
    mean_weight, mean_bias = dynamics.prior_stats.weight[:30], dynamics.prior_stats.bias[:30]

    def transition(latent: Tensor, act: Tensor) -> Tensor:
        hidden = functional.elu(dynamics.inputs(torch.cat([latent[:, 200:], act], -1)))
        deter = dynamics.gru(hidden, latent[:, :200])
        stoch = functional.linear(functional.elu(dynamics.prior_hidden(deter)), mean_weight, mean_bias)
        return torch.cat([deter, stoch], -1)

    def reward(latent: Tensor) -> Tensor:
        return head(latent).squeeze(-1)

    def reward_of(state: State) -> Tensor:  # as the package's own head does it
        return kernel(tuple(head.parameters()), state).squeeze(-1)

    model = PlainModel(Sizes(200, 30, action, 0, (64, 64, 3)), dynamics.rollout, reward_of)
    return Problem(transition, reward, model, 0.1 * torch.randn(230), dynamics)


REACH_FIRST_ACTION = torch.tensor([0.6, -0.4])


def reach(device: str = "cpu") -> Problem:
    """A small problem with a known answer: ``x' = x + a / 4`` from 0, reward ``-10 |x' - goal|²``, and the goal is a
    single step of `REACH_FIRST_ACTION` away.
    """
    goal = REACH_FIRST_ACTION.to(device) / 4

    def rollout(state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        path = state.vector[..., None, :] + actions.cumsum(-2) / 4
        return State(path[..., :1], path[..., 1:])

    def reward(latent: Tensor) -> Tensor:
        return -10 * (latent - goal).square().sum(-1)

    model = PlainModel(Sizes(1, 1, 2, 0, (1, 1, 1)), rollout, lambda state: reward(state.vector))
    return Problem(lambda latent, action: latent + action / 4, reward, model, torch.zeros(2))


class Sequenced(nn.Module):
    """Predicted return ``[candidates]`` of action sequences ``[candidates, horizon, action]``: the loop that a peer
    without one needs.
    """

    def __init__(self, problem: Problem):
        super().__init__()
        self.problem = problem

    def forward(self, actions: Tensor) -> Tensor:
        latent = self.problem.start.expand(actions.shape[0], -1)
        value = torch.zeros(actions.shape[0])
        for t in range(actions.shape[1]):
            latent = self.problem.transition(latent, actions[:, t])
            value = value + self.problem.reward(latent)
        return value
