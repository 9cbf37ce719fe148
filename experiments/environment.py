"""Environments by name, with the shapes that models are built from.

A name is that of a built-in task, or one of `envs.named`: ``dmc:cartpole-swingup``, ``gym:Pendulum-v1``,
``my_module:MyEnv``, with options after commas.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import gymnasium
from gymnasium.vector import VectorEnv

import envs
from envs import graphics, named
from envs.side_by_side import side_by_side
from envs.task import Task
from experiments.errors import UserError, unknown

KINDS = "dmc:TASK, gym:ID, module:Class"
Made = TypeVar("Made")


class Shapes(NamedTuple):
    """observation: (height, width, channel); action and state: number of dimensions.

    discrete: there are ``action`` choices, given as one-hot, rather than dimensions.
    """

    observation: tuple[int, int, int]
    action: int
    state: int
    discrete: bool = False

    @property
    def actions(self) -> str:
        """E.g. ``2 action dimensions``, ``3 choices``."""
        return f"{self.action} choices" if self.discrete else f"{self.action} action dimensions"


class Facts(NamedTuple):
    """steps: decisions until an episode is truncated."""

    shapes: Shapes
    steps: int


def make(name: str, count: int, size: int, processes: int = 1) -> VectorEnv[Any, Any, Any]:
    """``count`` copies of the environment, with images of ``size`` pixels; none resets on its own.

    processes: how many of them are stepped at once, see `envs.side_by_side`; built-in tasks are one batched
    computation and need none. Raises UserError for an unknown name.
    """
    if is_built_in(name):
        return _tried(name, lambda: envs.make_vector(name, count, size=size))
    one = functools.partial(named.single, name, size)
    return _tried(name, lambda: side_by_side(one, count, processes))


def single(name: str, size: int) -> Any:
    """One copy behind Gymnasium's interface for a single environment. Raises UserError."""
    if is_built_in(name):
        return _tried(name, lambda: envs.make(name, size=size))
    return _tried(name, lambda: named.single(name, size))


def shapes(name: str, size: int) -> Shapes:
    return facts(name, size).shapes


def require_actions(name: str, size: int, data: Shapes, place: object) -> None:
    """Raises UserError where ``data``, which lies in ``place``, cannot be of the environment."""
    wanted = shapes(name, size)
    if wanted.actions != data.actions:
        hint = " Choices are stored as one-hot." if wanted.discrete else ""
        raise UserError(
            f"Data of {name} must have {wanted.actions}; that in {place} has {data.actions}.{hint} Name the "
            "environment that it is of, or leave --env out."
        )


def episode_steps(name: str, size: int) -> int:
    """Decisions until an episode is truncated."""
    return facts(name, size).steps


@functools.lru_cache(maxsize=64)
def facts(name: str, size: int) -> Facts:
    """What is known of an environment; others than the built-in are made and reset for it. Raises UserError."""
    if is_built_in(name):
        task = make(name, 1, size).task  # type: ignore[attr-defined]
        return Facts(Shapes((size, size, task.channels), task.action_size, len(task.state_names)), task.episode_steps)
    env = single(name, size)
    try:
        state = env.reset(seed=0)[1].get("state", ())
        action, discrete = env.action_space.shape[0], getattr(env, "discrete", False)
        return Facts(Shapes(env.observation_space.shape, action, len(state), discrete), env.episode_steps)
    finally:
        env.close()


class Variables(NamedTuple):
    """The columns of the true state."""

    state_names: tuple[str, ...]


def variables(name: str, size: int) -> Variables:
    """Names of a built-in task's variables; those of others are numbered."""
    if is_built_in(name):
        return Variables(envs.task(name).state_names)
    return Variables(tuple(f"state {number}" for number in range(shapes(name, size).state)))


def resolve(name: str) -> str:
    """The name with all that decides what is seen, see `envs.named.resolve`. Raises UserError."""
    return name if is_built_in(name) else _tried(name, lambda: named.resolve(name))


def with_options(name: str, **options: Any) -> str:
    """The name with these options set, those that are not None. Raises UserError."""
    given = {key: value for key, value in options.items() if value is not None}
    if not given:
        return name
    if is_built_in(name):
        said = ", ".join(f"{key}={value}" for key, value in given.items())
        raise UserError(f"Only {KINDS} have options; {said} came for {name}. Leave that out.")
    parsed = _tried(name, lambda: named.parse(name))
    return str(parsed._replace(options=parsed.options | given))


def state_names(name: str, width: int) -> tuple[str, ...]:
    """Of the true state's columns; numbered where only a built-in task could tell."""
    return envs.task(name).state_names if name in envs.names() else tuple(f"state {i}" for i in range(width))


def built_in(name: str, wanted_for: str) -> Task:
    """The task, whose true dynamics are known. Raises UserError for other environments, with the reason."""
    if is_built_in(name):
        return envs.task(name)
    raise UserError(
        f"{wanted_for} needs the true dynamics as a batched function, which only built-in tasks have "
        f"({', '.join(envs.names())}); {name} came. Use the learned model."
    )


def identity(name: str) -> str:
    """What a stored result belongs to: a built-in task with all its numbers, others by their resolved name."""
    return repr(envs.task(name)) if is_built_in(name) else resolve(name)


def describe(name: str) -> str | None:
    """One line on what draws the pictures, where that depends on the machine."""
    return graphics.describe() if kind(name) == "dmc" else None


def kind(name: str) -> str:
    """What runs of one preset have in common: a built-in task's name, else ``dmc``, ``gym`` or a module."""
    return name if ":" not in name else name.partition(":")[0]


def is_built_in(name: str) -> bool:
    """Raises UserError for a name that is neither a task's nor of the form of others."""
    if name in envs.names():
        return True
    if ":" not in name and not named.is_plugin(name):
        error = unknown("environment", name, envs.names())
        raise UserError(f"{error} Others are named {KINDS}.")
    return False


def _tried(name: str, make_it: Callable[[], Made]) -> Made:
    try:
        return make_it()
    except (ValueError, TypeError, ImportError, RuntimeError, gymnasium.error.Error) as error:
        raise UserError(f"The environment {name} cannot be made so: {error}") from error
