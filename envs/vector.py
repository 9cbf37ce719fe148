"""Many copies of one task, seen as pixels, behind Gymnasium's vector interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.task import Task


class PixelVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """``num_envs`` independent copies of a task; the observation is one picture.

    Observations ``[num_envs, size, size, channel]`` uint8; actions ``[num_envs, action]`` float32 in [-1, 1]; reward,
    terminated and truncated ``[num_envs]``; the true state in ``info["state"]``, ``[num_envs, state]`` float64.
    Each copy has its own random generator in ``rngs``: what happens in copy i does not depend on how many there are.

    There is no hidden reset (``AutoresetMode.DISABLED``): reset those that have finished with
    ``reset(options={"reset_mask": terminated | truncated})``; stepping a finished copy is an error.
    """

    def __init__(self, task: Task, num_envs: int, size: int = 32) -> None:
        if num_envs < 1 or size < 8:
            raise ValueError(f"num_envs must be at least 1 and size at least 8 pixels, but came {num_envs=}, {size=}")
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED, "render_modes": []}
        self.task, self.num_envs, self.size = task, num_envs, size
        self.single_observation_space = gym.spaces.Box(0, 255, (size, size, task.channels), np.uint8)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (task.action_size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._state = np.zeros((num_envs, len(task.state_names)))
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._finished = np.ones(num_envs, dtype=bool)  # nothing may be stepped before its first reset
        self._observation = np.zeros((num_envs, size, size, task.channels), dtype=np.uint8)
        self.rngs = [np.random.default_rng() for _ in range(num_envs)]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes: in all copies, or in those where ``options["reset_mask"]`` (``[num_envs]`` bool) is true.

        seed: an int gives copy i the seed ``seed + i``; a sequence gives one each; None goes on with the generators as
        they are. Returns the observations and ``info`` of all copies, of the untouched ones as they were.
        """
        mask, seeds = self._read_mask(options), self._read_seeds(seed)
        for i in np.flatnonzero(mask).tolist():
            if seeds[i] is not None:
                self.rngs[i] = np.random.default_rng(seeds[i])
            self._state[i] = self.task.initial(self.rngs[i])
        self._steps[mask], self._finished[mask] = 0, False
        self._observation[mask] = self.task.draw(self._state[mask], self.size)
        return self._observation.copy(), {"state": self._state.copy()}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One decision in every copy: observation, reward, terminated, truncated, info."""
        if self._finished.any():
            raise RuntimeError(
                f"environments {np.flatnonzero(self._finished).tolist()} have finished or were never reset, and cannot "
                'be stepped; call reset(options={"reset_mask": terminated | truncated}) first'
            )
        with torch.no_grad():
            state = self.task.step(torch.from_numpy(self._state), torch.from_numpy(self._read_actions(actions)))
            reward, terminated = self.task.reward(state).numpy(), self.task.terminated(state).numpy()
        self._state, self._steps = state.numpy(), self._steps + 1
        truncated = self._steps >= self.task.episode_steps
        self._finished = terminated | truncated
        self._observation = self.task.draw(self._state, self.size)
        return self._observation.copy(), reward, terminated, truncated, {"state": self._state.copy()}

    def set_state(self, states: np.ndarray) -> np.ndarray:
        """Start episodes in the true states ``[num_envs, state]``; returns the pictures."""
        states = np.array(states, dtype=np.float64)
        if states.shape != self._state.shape or not np.isfinite(states).all():
            raise ValueError(
                f"states must be finite and of shape {self._state.shape} (columns {self.task.state_names}), but came "
                f"shape {states.shape} with {np.count_nonzero(~np.isfinite(states))} non-finite entries"
            )
        self._state = states
        self._steps, self._finished = np.zeros_like(self._steps), np.zeros_like(self._finished)
        self._observation = self.task.draw(states, self.size)
        return self._observation.copy()

    def _read_actions(self, actions: np.ndarray) -> np.ndarray:
        actions = np.asarray(actions, dtype=np.float64)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions must have shape {self.action_space.shape}, but came {actions.shape}")
        if not (np.abs(actions) <= 1).all():  # also false for NaN
            worst = np.flatnonzero(~(np.abs(actions) <= 1).all(axis=-1)).tolist()
            raise ValueError(
                f"actions must lie within [-1, 1], but those of environments {worst} are {actions[worst].tolist()}; "
                "clip them or look for NaN in the policy"
            )
        return actions

    def _read_mask(self, options: dict[str, Any] | None) -> np.ndarray:
        if options is None or "reset_mask" not in options:
            return np.ones(self.num_envs, dtype=bool)
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(
                f'options["reset_mask"] must be a bool array of shape ({self.num_envs},), but came {mask!r}'
            )
        return mask

    def _read_seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"one seed per environment is needed: {self.num_envs}, but came {len(seed)}")
        return seed
