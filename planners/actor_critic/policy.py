"""The actor as a planner: it rolls its policy through the model and says what that is worth, like any other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from planners.actor_critic.actor import Actor
from planners.actor_critic.imagination import stacked
from planners.interface import Objective, Plan
from planners.predict import earned
from planners.search_trace import Scored, search_trace
from worldmodel.interface import State, WorldModel


@dataclass(frozen=True)
class ActorPlanner:
    """Follows ``actor``; implements `planners.interface.Planner`. A decision costs ``horizon`` model steps, no search.

    sample: draw actions from the policy, with ``generator``, to explore; otherwise take its mode.
    """

    model: WorldModel
    objective: Objective
    generator: torch.Generator
    actor: Actor
    horizon: int = 15
    sample: bool = False
    discount: float = 1.0

    def __post_init__(self) -> None:
        if self.horizon < 1 or not 0 < self.discount <= 1:
            raise ValueError(
                f"ActorPlanner: horizon must be at least 1 and discount in (0, 1]; got {self.horizon} and "
                f"{self.discount}."
            )

    @property
    def model_steps(self) -> int:
        """Prior steps per decision and environment."""
        return self.horizon

    def with_budget(self, model_steps: int) -> ActorPlanner:
        """The same planner: it does not search, so it has no use for a larger budget."""
        if model_steps < self.horizon:
            raise ValueError(f"{model_steps} model steps are too few for horizon {self.horizon}; look less far ahead.")
        return self

    @torch.no_grad()
    def plan(self, state: State, previous: Plan | None = None) -> tuple[Tensor, Plan]:
        """See `planners.interface.Planner`. ``previous`` is of no use: a policy does not start anywhere."""
        states, actions = roll_policy(self.model, self.actor, state, self._noise(state))
        value = earned(self.objective, states, actions, self.discount)
        scores = torch.where(torch.isfinite(value), value, -math.inf)[:, None]
        return actions[:, 0], Plan(actions, states, value, search_trace([Scored(scores, None, None)]))

    def _noise(self, state: State) -> list[Tensor | None]:
        if not self.sample:
            return [None] * self.horizon
        shape = (self.horizon, state.stoch.shape[0], self.actor.action)
        drawn = torch.randn(shape, generator=self.generator, device=self.generator.device)
        return list(drawn.to(state.stoch))


def roll_policy(model: WorldModel, actor: Actor, state: State, noise: list[Tensor | None]) -> tuple[State, Tensor]:
    """States arrived at ``[..., horizon, latent]`` and actions ``[..., horizon, action]`` from ``state [..., latent]``.

    noise: for each step ``[..., action]``, or None for the policy's mode. The dynamics are taken at their mean.
    """
    states, actions = list[State](), list[Tensor]()
    for draw in noise:
        policy = actor(state)
        action = policy.mode if draw is None else policy.sample(draw)[0]
        state = model.step(state, action)
        states.append(state)
        actions.append(action)
    return stacked(states), torch.stack(actions, -2)
