"""Planning by gradient ascent: the actions are the parameters, the model's roll-out is differentiated.

    a <- clamp(a + learning_rate · Adam(d value / d a), -1, 1)

Adam: Kingma and Ba 2015, algorithm 1. All starts of all environments climb side by side; the best sequence that any of
them visited is returned, since a step of Adam may also lead downhill.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from planners.budget import largest_within
from planners.checks import NO_SLOPE, require
from planners.interface import Objective, Plan
from planners.predict import predict, with_candidates
from planners.search_trace import Scored, search_trace
from planners.starts import starting_actions
from worldmodel.interface import State, WorldModel

MEMORY = (0.9, 0.999)  # Adam's decay of the first and second moment


class Climb(NamedTuple):
    """Where all searches stand: actions with Adam's moments ``[batch, starts, horizon, action]``, and the best visited
    with its value ``[batch, starts]``.
    """

    actions: Tensor
    first: Tensor
    second: Tensor
    best: Tensor
    best_value: Tensor


@dataclass(frozen=True)
class GradientPlanner:
    """Plans by gradient ascent on the actions; implements `planners.interface.Planner`.

    generator: for random starts only. horizon: steps looked ahead. iterations: sequences each start visits.
    starts: the previous plan shifted by one step, zeros, then random sequences, as far as the number goes.
    learning_rate: about the largest change of an action per iteration.

    Works under `torch.no_grad` and leaves the ``.grad`` of the model's parameters alone.
    """

    model: WorldModel
    objective: Objective
    generator: torch.Generator
    horizon: int = 12
    iterations: int = 40
    starts: int = 4
    learning_rate: float = 0.1
    discount: float = 1.0

    def __post_init__(self) -> None:
        _check_numbers(self)

    @property
    def model_steps(self) -> int:
        """Prior steps per decision and environment; one with its gradient counts as three (backward costs twice)."""
        return self.horizon * (self.starts * (3 * (self.iterations - 1) + 1) + 1)

    def with_budget(self, model_steps: int) -> GradientPlanner:
        """The same planner with as many iterations as fit into ``model_steps``."""
        return largest_within(model_steps, lambda iterations: replace(self, iterations=iterations))

    @torch.no_grad()
    def plan(self, state: State, previous: Plan | None = None) -> tuple[Tensor, Plan]:
        """See `planners.interface.Planner`. If nothing visited has a finite value, the first start is executed."""
        climb = self._start(state, previous)
        begin = with_candidates(state.map(Tensor.detach), self.starts)
        history = []
        for i in range(1, self.iterations + 1):
            value, slope = self._slope(begin, climb.actions, needed=i < self.iterations)
            climb = _visited(climb, value)
            history.append(Scored(value, None, None))
            climb = climb if slope is None else self._step(climb, slope, i)
        return self._finish(state, climb, history)

    def _start(self, state: State, previous: Plan | None) -> Climb:
        shape = (state.stoch.shape[0], self.starts, self.horizon, self.model.sizes.action)
        actions = starting_actions(state.stoch, shape, self.generator, previous)
        nothing = torch.zeros_like(actions)
        return Climb(actions, nothing, nothing, actions, actions.new_full(shape[:2], -math.inf))

    def _slope(self, begin: State, actions: Tensor, needed: bool) -> tuple[Tensor, Tensor | None]:
        """Value ``[batch, starts]``, -inf where not finite, and its gradient, zero where not finite."""
        with torch.set_grad_enabled(needed):
            actions = actions.detach().requires_grad_(needed)
            _, value = predict(self.model, self.objective, begin, actions, self.discount)
            total = value.sum()
        scores = torch.where(torch.isfinite(value), value, -math.inf).detach()
        if not needed:
            return scores, None
        if not value.requires_grad:
            return scores, torch.zeros_like(actions)
        (slope,) = torch.autograd.grad(total, actions, materialize_grads=True)
        return scores, slope.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def _step(self, climb: Climb, slope: Tensor, i: int) -> Climb:
        first = climb.first.lerp(slope, 1 - MEMORY[0])
        second = climb.second.lerp(slope.square(), 1 - MEMORY[1])
        size = (second / (1 - MEMORY[1] ** i)).sqrt_().add_(1e-8)
        move = first / (1 - MEMORY[0] ** i) / size
        return climb._replace(
            actions=(climb.actions + self.learning_rate * move).clamp_(-1, 1), first=first, second=second
        )

    def _finish(self, state: State, climb: Climb, history: list[Scored]) -> tuple[Tensor, Plan]:
        index = climb.best_value.argmax(-1)[:, None, None, None]
        actions = torch.take_along_dim(climb.best, index, dim=1)[:, 0]
        states, value = predict(self.model, self.objective, state, actions, self.discount)
        return actions[:, 0], Plan(actions, states, value, search_trace(history))


def _visited(climb: Climb, value: Tensor) -> Climb:
    better = value > climb.best_value
    best = torch.where(better[..., None, None], climb.actions, climb.best)
    return climb._replace(best=best, best_value=torch.where(better, value, climb.best_value))


def _check_numbers(p: GradientPlanner) -> None:
    rules = [
        (p.horizon >= 1, f"horizon must be at least 1; got {p.horizon}"),
        (p.iterations >= 1, f"iterations must be at least 1; got {p.iterations}"),
        (p.starts >= 1, f"starts must be at least 1; got {p.starts}"),
        (p.learning_rate > 0, f"learning_rate must be positive; got {p.learning_rate}"),
        (not p.model.sizes.discrete, NO_SLOPE),
        (0 < p.discount <= 1, f"discount must be in (0, 1]; got {p.discount}"),
    ]
    require("GradientPlanner", rules)
