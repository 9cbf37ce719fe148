"""Pixel environments with known physics: small, exact, quick, and without a graphics library."""

from __future__ import annotations

import difflib
import math

import gymnasium
import numpy as np

from envs import named
from envs.cartpole import CartPole
from envs.e2c_cartpole import E2CCartPole
from envs.e2c_pendulum import E2CPendulum
from envs.e2c_planar import E2CPlanar
from envs.e2c_three_link import E2CThreeLink
from envs.pendulum import Pendulum
from envs.planar import Planar
from envs.single import PixelEnv
from envs.task import GoalTask, Task
from envs.vector import PixelVectorEnv

_TO_GOALS: tuple[GoalTask, ...] = (
    E2CPlanar(),
    E2CPendulum(),
    E2CPendulum("e2c-swingup", start_low=0.9 * math.pi, start_high=0.95 * math.pi),
    E2CCartPole(),
    E2CThreeLink(),
)
_ALL: tuple[Task, ...] = (
    Pendulum(),
    Pendulum("pendulum-balance", start_angle=0.0, start_spread=0.15),
    CartPole(),
    CartPole("cartpole-balance", start_angle=0.0, fall_angle=0.5),
    Planar(),
    *_TO_GOALS,
)
_TASKS = {task.name: task for task in _ALL}


def names() -> tuple[str, ...]:
    """The built-in tasks, as given to `task`, `make_vector` and ``gymnasium.make("worldmodel/<name>-v0")``."""
    return tuple(_TASKS)


def task(name: str) -> Task:
    """The built-in task of that name; a ValueError with the nearest name where there is none."""
    if name not in _TASKS:
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"there is no task {name!r}; {hint}The tasks are {', '.join(names())}")
    return _TASKS[name]


def goal_tasks() -> dict[str, GoalTask]:
    """The tasks of the published locally linear models, by name."""
    return {task.name: task for task in _TO_GOALS}


def make_vector(name: str, num_envs: int, size: int = 32) -> PixelVectorEnv:
    """``num_envs`` copies of the task of that name, seen in pictures of ``size`` × ``size`` pixels."""
    return PixelVectorEnv(task(name), num_envs, size)


def make(name: str, size: int = 32, render_mode: str | None = None) -> gymnasium.Env[np.ndarray, np.ndarray]:
    """One copy of the task of that name, for code that speaks Gymnasium's interface for a single environment.

    Or one of `envs.named`, such as ``dmc:cartpole-swingup``, ``gym:Pendulum-v1`` or ``my_module:MyEnv``.
    """
    if ":" in name:
        return named.single(name, size, render_mode)
    return PixelEnv(task(name), size, render_mode)


for _name in names():
    gymnasium.register(
        f"worldmodel/{_name}-v0", "envs:make", vector_entry_point="envs:make_vector", kwargs={"name": _name}
    )
