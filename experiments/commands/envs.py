"""`worldmodel envs`: what can be learned."""

from __future__ import annotations

from dataclasses import dataclass

import tyro
from rich import box
from rich.console import Console
from rich.table import Column, Table

import envs
from experiments.presets import PRESETS
from experiments.reference import reference_for

TITLES = ("actions", "decisions", "random", "reference", "presets")


@dataclass(frozen=True)
class Arguments:
    """List the built-in environments, what they score against, and the presets that learn them."""


def run(argv: list[str]) -> None:
    tyro.cli(Arguments, prog="worldmodel envs", args=argv)
    Console().print(table())
    print("Random and reference are mean returns; the reference is CEM on the true dynamics.")
    if missing := [name for name in envs.names() if reference_for(name) is None]:
        print(
            f"?: not computed yet; an hour of one core for three links: worldmodel reference {missing[0]} --horizon 15"
        )
    print("e2c-...: worldmodel benchmark locally-linear counts their steps in the goal region instead.")
    print(
        "Others: dmc:TASK (the control suite), gym:ID, and your own as module:Class; see worldmodel check-env --help."
    )
    print('From Python: gymnasium.make("worldmodel/pendulum-v0") or envs.make_vector("pendulum", 8, size=32).')


def table() -> Table:
    shown = Table(Column("environment", no_wrap=True), *TITLES, box=box.SIMPLE)
    for name in envs.names():
        task, known = envs.task(name), reference_for(name)
        scores = (f"{known.random:.1f}", f"{known.reference:.1f}") if known else ("?", "?")
        presets = ", ".join(preset for preset, config in PRESETS.items() if config.env == name)
        decisions = f"{task.episode_steps} × {task.seconds_per_step:g} s"
        shown.add_row(name, str(task.action_size), decisions, *scores, presets)
    return shown
