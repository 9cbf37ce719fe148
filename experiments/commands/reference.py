"""`worldmodel reference ENV`: compute what scores are measured against, and store it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from experiments import reference
from experiments.commands.leading import leading, wants_help
from experiments.shards import processes


@dataclass(frozen=True)
class Arguments:
    """Compute floor and reference of a task: random actions, and CEM on the true dynamics (some minutes)."""

    env: tyro.conf.Positional[str]
    """As listed by `worldmodel envs`."""
    horizon: int | None = None
    """Steps that CEM looks ahead; the best of 15, 20, 25, 30 if not given."""
    episodes: int = 40
    """Of CEM."""
    random_episodes: int = 100
    """Of random actions."""
    seed: int = 0
    """Of start states and of CEM."""
    processes: int = 1
    """Side by side; the numbers are the same."""
    file: Path = reference.FILE
    """Where it is stored."""


def run(argv: list[str]) -> None:
    """Raises UserError for an unknown environment."""
    if not wants_help(argv):
        leading(argv, "worldmodel reference ENV [options]")
    arguments = tyro.cli(Arguments, prog="worldmodel reference", args=argv)
    with processes(arguments.processes) as pool:
        found = reference.compute(
            arguments.env, arguments.horizon, arguments.episodes, arguments.random_episodes, arguments.seed, pool
        )
    reference.store(found, arguments.file)
    Console().print(table(found))
    print(f"stored in {arguments.file}")


def table(found: reference.Reference) -> Table:
    shown = Table("environment", "random", "reference", "horizon")
    shown.add_row(
        found.env, f"{found.random:.2f}", f"{found.reference:.2f} ± {found.standard_error:.2f}", str(found.horizon)
    )
    return shown
