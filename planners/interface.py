"""What a planner is: it turns a belief into an action. Read this second, after `worldmodel.interface`."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from worldmodel.interface import State


@runtime_checkable
class Objective(Protocol):
    """What the planner maximises; higher is better. `planners.predict` makes a return of it."""

    def reward(self, states: State, actions: Tensor) -> Tensor:
        """Reward on arrival in ``states [..., latent]`` by ``actions [..., action]``: ``[...]``."""
        ...

    def continues(self, states: State) -> Tensor:
        """Probability that rewards are still paid after arriving in ``states [..., latent]``: ``[...]`` in [0, 1]."""
        ...

    def terminal(self, state: State) -> Tensor:
        """Value of what comes after the horizon, ``[...]``: a critic's, or zeros."""
        ...


class Plan(NamedTuple):
    """All that a planner thought.

    actions: ``[batch, horizon, action]`` in [-1, 1].
    states: ``[batch, horizon, latent]``, predicted along exactly these actions (states arrived at).
    value: ``[batch]``, predicted return of exactly these actions.
    trace: for plots only; each ``[iterations, batch]`` (``best``, ``mean``, ``spread``, ``nonfinite``), and on request
        ``candidates [iterations, batch, candidates, horizon, action]`` and ``elites``.
    carried: ``[batch, rows, horizon, action]``, where the same planner starts its next search, if that is not at
        ``actions``: the mean of the sampling distribution, then sequences to be tried again.
    gains: ``[batch, horizon, action, latent]``, feedback around the plan: ``action = actions_t + gains_t (z - z_t)``.
    """

    actions: Tensor
    states: State
    value: Tensor
    trace: dict[str, Tensor]
    carried: Tensor | None = None
    gains: Tensor | None = None


@runtime_checkable
class Planner(Protocol):
    """Remembers nothing between calls: the last Plan is an argument (warm start, shifted by one step)."""

    def plan(self, state: State, previous: Plan | None = None) -> tuple[Tensor, Plan]:
        """First action to execute ``[batch, action]`` and the whole plan, from ``state [batch, latent]``."""
        ...

    @property
    def model_steps(self) -> int:
        """Prior steps of one decision for one environment, at most; what equal budgets are counted in."""
        ...

    def with_budget(self, model_steps: int) -> Planner:
        """The same planner with the largest search of at most ``model_steps``; ValueError where none is as small."""
        ...
