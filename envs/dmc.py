"""The tasks of DeepMind's control suite, seen as pixels, behind Gymnasium's interface for a single environment.

Tassa et al. 2018, arXiv 1801.00690. Pictures need no screen and no graphics library (`envs.mujoco_pictures`).
"""

from __future__ import annotations

import difflib
import math
from typing import Any

import gymnasium as gym
import numpy as np

from envs import graphics

PLANET_REPEAT = {"cartpole": 8, "reacher": 4, "cheetah": 4, "finger": 2, "ball_in_cup": 4, "walker": 2}
REPEAT = 2  # of all others; PlaNet (Hafner 2019) has the above
CAMERA = {"quadruped": 2}  # follows it; the suite's camera 0 looks on from afar
SHORT = {"cup": "ball_in_cup"}
ENDLESS = 1000  # control steps until an episode is cut whose task has no time limit


def names() -> tuple[str, ...]:
    """All tasks, e.g. ``cartpole-swingup`` and ``ball_in_cup-catch``. Imports dm_control."""
    return tuple(f"{domain}-{task}" for domain, task in _suite().ALL_TASKS)


def canonical(name: str) -> str:
    """The suite's name for ``name``, where hyphens and underscores are alike and ``cup`` is short for ball_in_cup.

    Raises ValueError, with the nearest name, for a task that there is not.
    """
    domain, dash, rest = name.replace("_", "-").partition("-")
    wanted = _plain(SHORT.get(domain, domain) + dash + rest)
    for known in names():
        if _plain(known) == wanted:
            return known
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.3)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"there is no task {name!r} in the control suite; {hint}The tasks are {', '.join(names())}")


def planet_repeat(name: str) -> int:
    """How often an action is repeated in the task of that canonical name, unless something else is said."""
    return PLANET_REPEAT.get(name.partition("-")[0], REPEAT)


def resolve(render: str | None) -> str:
    """See `envs.mujoco_pictures.resolve`."""
    return _drawing().resolve(render)


class DmcEnv(gym.Env[np.ndarray, np.ndarray]):
    """One task of the suite.

    Observation ``[size, size, 3]`` uint8; action ``[action]`` float32 in [-1, 1], repeated ``repeat`` times; reward:
    the sum over these. ``info["state"]``, float64: positions, velocities and activations of the physics, then the
    suite's own observation of it, which tells targets too. An episode is 1000 control steps and ends by truncation;
    terminated is what the suite ends with discount 0.

    repeat: None for PlaNet's value, 2 where it has none. render: see `envs.mujoco_pictures.resolve`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012 - Gymnasium's own form

    def __init__(
        self,
        name: str,
        size: int = 64,
        repeat: int | None = None,
        render: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.name = canonical(name)
        domain, task = self.name.split("-")
        self.repeat = planet_repeat(self.name) if repeat is None else repeat
        if self.repeat < 1 or size < 8:
            raise ValueError(f"repeat must be at least 1 and size at least 8 pixels, but came {repeat=}, {size=}")
        self.size, self.render_mode = size, render_mode
        self._suite = _load(domain, task)
        _forbid_drawing(self._suite.physics)
        self._model, self._camera = self._suite.physics.model.ptr, CAMERA.get(domain, 0)
        self.profile = resolve(render)
        self._pictures = _drawing().pictures(self._model, size, self.profile, self._camera)
        limits = self._suite.action_spec()
        self._low, self._high = _finite(limits.minimum, -1.0), _finite(limits.maximum, 1.0)
        self.action_space = gym.spaces.Box(-1.0, 1.0, limits.shape, np.float32)
        self.observation_space = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)
        limit = self._suite._step_limit
        self._limit = ENDLESS if math.isinf(limit) else int(limit)
        self.episode_steps = math.ceil(self._limit / self.repeat)
        self._taken, self._playing = 0, False  # control steps of the episode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; a seed restarts the random generator."""
        super().reset(seed=seed)
        if seed is not None:
            self._suite.task._random = np.random.RandomState(self.np_random.integers(2**32, dtype=np.uint32))
        step, self._taken, self._playing = self._suite.reset(), 0, True
        if self._model.nhfield:  # is made anew for each episode, and a renderer has the one of its first picture
            self._pictures.close()
            self._pictures = _drawing().pictures(self._model, self.size, self.profile, self._camera)
        return self._draw(), self._info(step)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One decision, ``repeat`` control steps or what the episode has left of them."""
        control = self._low + (self._read(action) + 1) / 2 * (self._high - self._low)
        reward, ended = 0.0, False
        for _ in range(self.repeat):
            step = self._suite.step(control)
            reward, self._taken = reward + float(step.reward or 0.0), self._taken + 1
            ended = step.last() or self._taken >= self._limit
            if ended:
                break
        terminated = step.last() and step.discount == 0
        self._playing = not ended
        return self._draw(), reward, terminated, ended and not terminated, self._info(step)

    def render(self) -> np.ndarray | None:
        """The present picture; None without a render mode."""
        return None if self.render_mode is None else self._draw()

    def close(self) -> None:
        self._pictures.close()

    def _draw(self) -> np.ndarray:
        return self._pictures.render(self._suite.physics.data.ptr)

    def _info(self, step: Any) -> dict[str, Any]:
        seen = [np.ravel(value) for value in step.observation.values()]
        return {"state": np.concatenate([self._suite.physics.get_state(), *seen]).astype(np.float64)}

    def _read(self, action: np.ndarray) -> np.ndarray:
        if not self._playing:
            raise RuntimeError("the episode has ended or was never begun; call reset() first")
        action = np.asarray(action, dtype=np.float64)
        if action.shape != self.action_space.shape or not (np.abs(action) <= 1).all():  # also false for NaN
            raise ValueError(
                f"an action must have shape {self.action_space.shape} and lie within [-1, 1], but came {action}; "
                "clip it or look for NaN in the policy"
            )
        return action


def _suite() -> Any:
    """dm_control's suite, imported once it is known what can draw."""
    graphics.backend()
    from dm_control import suite

    return suite


def _load(domain: str, task: str) -> Any:
    """The suite's environment, without its warnings on the form of its own models."""
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        return _suite().load(domain, task)
    finally:
        logging.set_verbosity(before)


def _drawing() -> Any:
    """`envs.mujoco_pictures`, likewise."""
    graphics.backend()
    from envs import mujoco_pictures

    return mujoco_pictures


def _plain(name: str) -> str:
    return name.replace("_", "-").lower()


def _finite(limit: np.ndarray, otherwise: float) -> np.ndarray:
    """Limits of actions; some tasks have none."""
    return np.where(np.abs(limit) < 1e6, limit, otherwise).astype(np.float64)


def _forbid_drawing(physics: Any) -> None:
    """dm_control's own renderer must never be made: one task asks for it at each reset, and dies without a library."""
    physics.__class__ = type("PhysicsWithoutPictures", (type(physics),), {"contexts": None})
