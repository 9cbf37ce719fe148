"""What a plan is worth: rewards the model has learned, the distance to a goal, the price of control, and sums of these.

Each implements `planners.interface.Objective`; `planners.predict` discounts and adds up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from planners.interface import Objective
from worldmodel.interface import Belief, State, WorldModel


@dataclass(frozen=True)
class LearnedReward:
    """The model's own reward and continuation; nothing after the horizon."""

    model: WorldModel

    def reward(self, states: State, actions: Tensor) -> Tensor:
        return self.model.reward(states)

    def continues(self, states: State) -> Tensor:
        return self.model.continues(states)

    def terminal(self, state: State) -> Tensor:
        return zeros_like(state)


@dataclass(frozen=True)
class WithTail:
    """``objective``, and after the horizon what ``value`` says of the last state: a critic, ``[..., latent] -> [...]``.

    Plan with the discount of the critic's values.
    """

    objective: Objective
    value: Callable[[State], Tensor]

    def reward(self, states: State, actions: Tensor) -> Tensor:
        return self.objective.reward(states, actions)

    def continues(self, states: State) -> Tensor:
        return self.objective.continues(states)

    def terminal(self, state: State) -> Tensor:
        return self.value(state)


@dataclass(frozen=True)
class GoalState:
    """Closeness to a goal in latent space: ``-(z - goal)ᵀ metric (z - goal)`` at every step. Episodes do not end.

    goal: ``[latent]``, or ``[batch, latent]`` with one goal per environment, e.g. ``goal_belief(...).state.vector``.
    metric: a weight, one per latent dimension ``[latent]``, or a symmetric matrix ``[latent, latent]``.
    """

    goal: Tensor
    metric: Tensor | float = 1.0

    def reward(self, states: State, actions: Tensor) -> Tensor:
        away = states.vector - self._aligned(states)
        if isinstance(self.metric, Tensor) and self.metric.dim() == 2:
            return -((away @ self.metric.to(away)) * away).sum(-1)
        return -(self.metric * away.square()).sum(-1)

    def continues(self, states: State) -> Tensor:
        return ones_like(states)

    def terminal(self, state: State) -> Tensor:
        return zeros_like(state)

    def _aligned(self, states: State) -> Tensor:
        """The goal with axes of length one for candidates and horizon, which lie between batch and latent."""
        between = states.stoch.dim() - self.goal.dim()
        return self.goal if self.goal.dim() == 1 else self.goal.unflatten(0, (-1, *[1] * between))


def goal_belief(model: WorldModel, image: Tensor, steps: int = 4) -> Belief:
    """Belief in the state that goal images show, ``[batch, height, width, channel]`` uint8.

    Each image is filtered ``steps`` times with actions of zero: a system at rest there. One look would leave the
    velocity open.
    """
    if image.dim() != 4:
        raise ValueError(
            f"Goal images must be [batch, height, width, channel]; the shape {tuple(image.shape)} came. "
            "Add a batch axis with image[None]."
        )
    belief = model.initial(image.shape[0])
    rest = torch.zeros_like(belief.state.stoch[:, :1]).expand(-1, model.sizes.action)
    with torch.no_grad():
        for _ in range(steps):
            belief = model.filter(belief, rest, image)
    return belief


@dataclass(frozen=True)
class ControlPenalty:
    """The price of acting: ``-weight · |action|²``. Says nothing about states, so it is used in a `Sum`."""

    weight: float

    def reward(self, states: State, actions: Tensor) -> Tensor:
        return -self.weight * actions.square().sum(-1)

    def continues(self, states: State) -> Tensor:
        return ones_like(states)

    def terminal(self, state: State) -> Tensor:
        return zeros_like(state)


@dataclass(frozen=True)
class Sum:
    """Weighted sum of objectives. The episode goes on as long as the least optimistic of them says."""

    objectives: tuple[Objective, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.objectives) != len(self.weights) or not self.objectives:
            raise ValueError(
                f"A Sum needs as many weights as objectives and at least one; {len(self.objectives)} objectives and "
                f"{len(self.weights)} weights came."
            )

    def reward(self, states: State, actions: Tensor) -> Tensor:
        return self._weighted([o.reward(states, actions) for o in self.objectives])

    def continues(self, states: State) -> Tensor:
        return reduce(torch.minimum, [o.continues(states) for o in self.objectives])

    def terminal(self, state: State) -> Tensor:
        return self._weighted([o.terminal(state) for o in self.objectives])

    def _weighted(self, terms: list[Tensor]) -> Tensor:
        first, *rest = [weight * term for weight, term in zip(self.weights, terms, strict=True)]
        return sum(rest, start=first)


def zeros_like(state: State) -> Tensor:
    """``[..., latent]`` -> zeros ``[...]``: no value."""
    return state.stoch.new_zeros(state.stoch.shape[:-1])


def ones_like(states: State) -> Tensor:
    """``[..., latent]`` -> ones ``[...]``: the episode surely goes on."""
    return states.stoch.new_ones(states.stoch.shape[:-1])
