"""What a built-in control task is: physics, reward and picture as pure, batched functions of the true state."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor


class Task(Protocol):
    """One control task. The physics and the reward are differentiable torch functions, so that planners can be run on
    the true simulator too; the picture is NumPy. Angles are continuous (never wrapped) in the true state.

    name: as given to `envs.task` and `envs.make_vector`.
    state_names: one per column of the true state, e.g. ``("angle", "velocity")``, with units in the class's docstring.
    action_size: number of action dimensions; actions are in [-1, 1], and what is beyond saturates.
    episode_steps: decisions until the episode is truncated.
    seconds_per_step: simulated time of one decision, action repeat included.
    channels: of the pictures: 3 for colours, 1 for grey, 2 for two grey frames, the previous one first.
    """

    @property
    def name(self) -> str: ...

    @property
    def state_names(self) -> tuple[str, ...]: ...

    @property
    def action_size(self) -> int: ...

    @property
    def episode_steps(self) -> int: ...

    @property
    def seconds_per_step(self) -> float: ...

    @property
    def channels(self) -> int: ...

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """One start state, ``[state]`` float64."""
        ...

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """One decision (action repeat included): ``[..., state]``, ``[..., action]`` -> ``[..., state]``."""
        ...

    def reward(self, state: Tensor) -> Tensor:
        """Reward on arrival, ``[..., state]`` -> ``[...]`` in [0, 1]."""
        ...

    def terminated(self, state: Tensor) -> Tensor:
        """Whether the episode ends in ``state`` for a reason of the task's own, ``[...]`` bool."""
        ...

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        """Pictures ``[batch, size, size, channel]`` uint8 of states ``[batch, state]``."""
        ...


class GoalTask(Task, Protocol):
    """A task of the published locally linear models: learned from scattered transitions, controlled to a goal image.

    size: side in pixels of the pictures that the published figures were made from.
    goals: true states at rest, one of which the goal image shows.
    """

    @property
    def size(self) -> int: ...

    @property
    def goals(self) -> tuple[tuple[float, ...], ...]: ...

    def scatter(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """States ``[count, state]`` and actions ``[count, action]`` of transitions to learn from."""
        ...

    def in_goal(self, state: Tensor, goal: Tensor) -> Tensor:
        """Whether ``state [..., state]`` is in the region around ``goal [..., state]``, ``[...]`` bool."""
        ...
