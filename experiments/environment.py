"""Environments by name, with the shapes that models are built from."""

from __future__ import annotations

from typing import NamedTuple

import envs
from envs.vector import PixelVectorEnv
from experiments.errors import UserError, unknown


class Shapes(NamedTuple):
    """observation: (height, width, channel); action and state: number of dimensions.

    discrete: there are ``action`` choices, given as one-hot, rather than dimensions.
    """

    observation: tuple[int, int, int]
    action: int
    state: int
    discrete: bool = False


def make(name: str, count: int, size: int) -> PixelVectorEnv:
    """``count`` copies of the environment, with images of ``size`` pixels. Raises UserError for an unknown name."""
    if name not in envs.names():
        raise unknown("environment", name, envs.names())
    try:
        return envs.make_vector(name, count, size=size)
    except ValueError as error:
        raise UserError(f"The environment {name} cannot be made so: {error}") from error


def shapes(name: str, size: int) -> Shapes:
    task = make(name, 1, size).task
    return Shapes((size, size, task.channels), task.action_size, len(task.state_names))
