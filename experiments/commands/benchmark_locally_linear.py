"""`worldmodel benchmark locally-linear`: run as it was published, beside its figures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.errors import UserError
from experiments.locally_linear.recipes import RECIPES, recipe
from experiments.locally_linear.results import Models, measure, stored, summary, write_table
from experiments.progress import clock

RESULTS = "locally-linear.json"


@dataclass(frozen=True)
class Arguments:
    """The table of PC3, PCC and SOLAR: models learned from scattered transitions, iLQR to a goal image.

    The percentage of steps in the goal region over ten starts, mean of all models. Each model is one file of --out; a
    run that was stopped goes on with those that are missing.
    """

    tasks: tuple[str, ...] = tuple(RECIPES)
    """planar, balance, swingup, cartpole, threelink."""
    models: int = 10
    """How many, with seeds 0, 1, ..."""
    out: Path = Path("runs/locally-linear")
    """Folder of the results and of the latents' maps."""
    table: Path | None = None
    """Where the summary goes as JSON; tasks that it holds and that are not run stay. None: into --out."""


def run(argv: list[str]) -> None:
    """Raises UserError."""
    arguments = tyro.cli(Arguments, prog="worldmodel benchmark locally-linear", args=argv)
    check(arguments)
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = run_all(arguments)
    rows = summary(results)
    Console().print(table(rows))
    write_table(arguments.table or arguments.out / RESULTS, rows)


def check(arguments: Arguments) -> None:
    for task in arguments.tasks:
        recipe(task)
    if arguments.models < 1:
        raise UserError(f"At least one model is needed; --models {arguments.models} came.")


def run_all(arguments: Arguments) -> dict[str, list[dict[str, Any]]]:
    """All tasks and models, those that are there already read from their files."""
    results: dict[str, list[dict[str, Any]]] = {task: [] for task in arguments.tasks}
    total, done, started = len(results) * arguments.models, 0, time.monotonic()
    fresh = 0
    for seed in range(arguments.models):
        models: Models = {}
        for task in results:
            found = stored(arguments.out, task, seed)
            if found is None:
                found, fresh = measure(arguments.out, task, seed, Line(task, seed), models), fresh + 1
            results[task].append(found)
            done += 1
            left = (time.monotonic() - started) / fresh * (total - done) if fresh else 0
            print(f"{done}/{total} · {task} model {seed}: {found['mean']:.1f} % · {clock(left)} left", flush=True)
    return results


@dataclass
class Line:
    """Says how training goes, with the time left of this model."""

    task: str
    seed: int
    started: float = 0.0

    def __call__(self, update: int, losses: dict[str, float]) -> None:
        self.started = self.started or time.monotonic()
        updates = RECIPES[self.task].updates
        if update % 500 == 0 or update == updates:
            shown = " ".join(f"{name} {value:.3g}" for name, value in losses.items())
            left = (time.monotonic() - self.started) / update * (updates - update)
            print(
                f"{self.task} model {self.seed} · update {update}/{updates} · {shown} · {clock(left)} left", flush=True
            )


def table(rows: dict[str, dict[str, float | int]]) -> Table:
    shown = Table("task", "ours", "95 %", "models", "PC3", "PCC", "SOLAR", box=box.SIMPLE)
    for task, row in rows.items():
        span = f"{row['low']:.1f} to {row['high']:.1f}" if row["low"] == row["low"] else "one model"
        published = (f"{row[name]:.1f}" for name in ("pc3", "pcc", "solar"))
        shown.add_row(task, f"{row['ours']:.1f}", span, str(row["models"]), *published)
    return shown
