"""One environment by its name: ``dmc:TASK``, ``gym:ID`` or ``module:Class``, with options after commas.

    dmc:cartpole-swingup                        the control suite
    dmc:walker-walk,render=default,repeat=4     its options, see `envs.dmc`
    gym:Pendulum-v1                             whatever Gymnasium has registered
    my_package.my_file:MyEnv,difficulty=3       a class of your own; options that are not the adapter's go to it

An installed package may give its environment a name without a colon by an entry point of the group
``worldmodel.envs``, e.g. ``my-env = "my_package.my_file:MyEnv"``.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym

from envs import dmc
from envs.gym_adapter import PixelAdapter

GROUP = "worldmodel.envs"
ADAPTER = ("repeat", "steps")  # options of `PixelAdapter`


class Name(NamedTuple):
    """``kind:what,option=value,...``; kind is ``dmc``, ``gym`` or a module."""

    kind: str
    what: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return ",".join([f"{self.kind}:{self.what}", *(f"{key}={value}" for key, value in self.options.items())])


def parse(text: str) -> Name:
    """Raises ValueError for what has no such form."""
    body, *rest = text.split(",")
    if ":" not in body:
        body = _plugins().get(body, body)
    kind, colon, what = body.partition(":")
    if not (kind and colon and what):
        raise ValueError(f"an environment is named dmc:TASK, gym:ID or module:Class, but came {text!r}")
    return Name(kind, what, dict(_option(part, text) for part in rest))


def is_plugin(text: str) -> bool:
    """Whether an installed package has given this name to an environment."""
    return text.partition(",")[0] in _plugins()


def resolve(text: str) -> str:
    """The name with all that decides what the pictures are: what is not said in ``text`` is filled in.

    ``dmc:cup-catch`` becomes ``dmc:ball_in_cup-catch,render=smooth,repeat=4``. Raises ValueError.
    """
    name = parse(text)
    if name.kind != "dmc":
        return str(name)
    task = dmc.canonical(name.what)
    given = {"render": dmc.resolve(name.options.get("render")), "repeat": dmc.planet_repeat(task)}
    return str(Name("dmc", task, given | name.options))


def single(text: str, size: int, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """The environment, with pictures of ``size`` × ``size`` pixels. Raises ValueError, ImportError."""
    kind, what, options = parse(text)
    if kind == "dmc":
        return dmc.DmcEnv(what, size, render_mode=render_mode, **options)
    ours = {key: value for key, value in options.items() if key in ADAPTER}
    theirs = {key: value for key, value in options.items() if key not in ADAPTER}
    return PixelAdapter(functools.partial(_maker(kind, what), **theirs), size, render_mode=render_mode, **ours)


def _maker(kind: str, what: str) -> Callable[..., gym.Env[Any, Any]]:
    if kind == "gym":
        return functools.partial(gym.make, what, disable_env_checker=True)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does: a file in the folder where the command is given
    module = importlib.import_module(kind)
    if not hasattr(module, what):
        raise ValueError(f"the module {kind} ({module.__file__}) has nothing named {what!r}")
    return getattr(module, what)


def _option(part: str, text: str) -> tuple[str, Any]:
    key, equals, value = part.partition("=")
    if not (key.strip().isidentifier() and equals):
        raise ValueError(f"options of an environment are written name=value, but came {part!r} in {text!r}")
    try:
        return key.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key.strip(), value.strip()


@functools.cache
def _plugins() -> dict[str, str]:
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=GROUP)}
