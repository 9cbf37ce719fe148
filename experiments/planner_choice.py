"""Planners as they are named on the command line: ``cem``, or ``cem:iterations=4,colour=1.5``."""

from __future__ import annotations

from dataclasses import fields, replace

from experiments.config import PlannerConfig
from experiments.errors import UserError, unknown
from experiments.evaluate import named_planner
from experiments.planning import SAMPLING, require_name

WHOLE = ("horizon", "iterations", "candidates", "elites", "starts", "replan_every")
SETTINGS = tuple(field.name for field in fields(PlannerConfig) if field.name != "name")
USUAL = ("random-shooting", "cem", "icem", "mppi", "ilqr", "gradient")


def usual(discrete: bool) -> tuple[str, ...]:
    """The planners that are compared where none is named: all `USUAL` ones that can handle the actions."""
    return tuple(name for name in USUAL if name in SAMPLING or not discrete)


def choose(text: str, like: PlannerConfig, also: tuple[str, ...] = ()) -> PlannerConfig:
    """The planner that ``text`` names, for a run whose own planner is ``like`` (see `named_planner`).

    also: names that are no planners but are understood. Raises UserError for a name, setting or number that cannot be.
    """
    name, _, numbers = text.partition(":")
    require_name(name, also)
    changes = dict(setting(part, text) for part in numbers.split(",") if part)
    return replace(named_planner(name, like), **changes)  # type: ignore[arg-type]


def setting(part: str, text: str) -> tuple[str, float]:
    name, _, number = part.partition("=")
    name = name.strip().replace("-", "_")
    if name not in SETTINGS:
        raise unknown("planner setting", name, SETTINGS)
    try:
        return name, int(number) if name in WHOLE else float(number)
    except ValueError as error:
        raise UserError(
            f"Settings of a planner are numbers, as in cem:iterations=4,colour=1.5; '{part}' came in '{text}'."
        ) from error
