"""Actions without a model: the floor that every planner has to beat, and the data that a first model is trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from planners.categorical import one_hot
from planners.interface import Plan
from worldmodel.interface import State

LIMIT = 1 - 1e-6  # an action of exactly one would be infinitely many standard deviations away


@dataclass(frozen=True)
class RandomPolicy:
    """Actions uniform on [-1, 1]; implements `planners.interface.Planner` with any state, even an empty one.

    correlation: of the underlying normal from one step to the next, in [0, 1). 0 is white, the usual random policy;
    close to 1 it swings slowly and explores further: ``a_t = erf(g_t / √2)``, ``g_t = ρ g_{t-1} + √(1 - ρ²) ε_t``.
    Actions are uniform for any correlation. The last action is read off the previous plan. Environments of a batch draw
    independently. Predicts nothing: the value is NaN.
    discrete: one-hot actions, all alike; correlation is then the chance that the last one is taken again.
    """

    action_size: int
    generator: torch.Generator
    correlation: float = 0.0
    discrete: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.correlation < 1:
            raise ValueError(f"RandomPolicy: correlation must be in [0, 1); got {self.correlation}.")

    @property
    def model_steps(self) -> int:
        return 0

    def with_budget(self, model_steps: int) -> RandomPolicy:
        return self

    @torch.no_grad()
    def plan(self, state: State, previous: Plan | None = None) -> tuple[Tensor, Plan]:
        draw = self._choice if self.discrete else self._value
        action = draw(state.stoch, None if previous is None else previous.actions[:, 0])
        nothing = torch.full_like(state.stoch[:, :1].sum(-1), math.nan)
        return action, Plan(action[:, None], state.map(lambda x: x[:, None]), nothing, {})

    def _value(self, like: Tensor, last: Tensor | None) -> Tensor:
        device, shape = self.generator.device, (like.shape[0], self.action_size)
        normal = torch.randn(shape, generator=self.generator, device=device).to(like)
        if last is not None:
            last = math.sqrt(2) * torch.erfinv(last.clamp(-LIMIT, LIMIT))
            normal = self.correlation * last + math.sqrt(1 - self.correlation**2) * normal
        return torch.erf(normal / math.sqrt(2))

    def _choice(self, like: Tensor, last: Tensor | None) -> Tensor:
        """One column more than there are actions says whether to repeat."""
        shape = (like.shape[0], self.action_size + 1)
        draws = torch.rand(shape, generator=self.generator, device=self.generator.device).to(like)
        action = one_hot(draws[:, :-1])
        return action if last is None else torch.where(draws[:, -1:] < self.correlation, last, action)
