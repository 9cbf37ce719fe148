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
        """Pictures ``[batch, size, size, 3]`` uint8 of states ``[batch, state]``."""
        ...
