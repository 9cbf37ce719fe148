"""One copy of a task, seen as pixels, behind Gymnasium's interface for a single environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from envs.draw import in_colour
from envs.task import Task
from envs.vector import PixelVectorEnv


class PixelEnv(gym.Env[np.ndarray, np.ndarray]):
    """One of `PixelVectorEnv`: with the same seed and actions it gives the same bits as copy 0 of that.

    Observation ``[size, size, channel]`` uint8, action ``[action]`` float32 in [-1, 1], true state in
    ``info["state"]``. ``render`` paints the present state anew, at ``render_size`` pixels.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - Gymnasium's own form

    def __init__(self, task: Task, size: int = 32, render_mode: str | None = None, render_size: int = 256) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', but came {render_mode!r}")
        self.task, self.render_mode, self.render_size = task, render_mode, render_size
        self.episode_steps = task.episode_steps
        self._one = PixelVectorEnv(task, 1, size)
        self.observation_space = self._one.single_observation_space
        self.action_space = self._one.single_action_space
        self._state = np.zeros((1, len(task.state_names)))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; a seed restarts the random generator."""
        super().reset(seed=seed)
        self._one.rngs[0] = self.np_random
        observation, info = self._one.reset()
        self._state = info["state"]
        return observation[0], {"state": self._state[0].copy()}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One decision: observation, reward, terminated, truncated, info."""
        observation, reward, terminated, truncated, info = self._one.step(np.asarray(action)[None])
        self._state = info["state"]
        ended = bool(terminated[0]), bool(truncated[0])
        return observation[0], float(reward[0]), *ended, {"state": self._state[0].copy()}

    def render(self) -> np.ndarray | None:
        """The present state ``[render_size, render_size, 3]`` uint8; None without a render mode."""
        return None if self.render_mode is None else in_colour(self.task.draw(self._state, self.render_size)[0])
