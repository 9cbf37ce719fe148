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
from experiments.launchers.choice import choose
from experiments.launchers.interface import Launcher
from experiments.launchers.outcomes import SomeFailed, tell_each
from experiments.locally_linear.recipes import RECIPES, recipe
from experiments.locally_linear.results import Cell, Models, measure, stored, summary, write_table
from experiments.progress import clock

RESULTS = "locally-linear.json"


@dataclass(frozen=True)
class Arguments:
    """The table of PC3, PCC and SOLAR: models learned from scattered transitions, iLQR to a goal image.

    The percentage of steps in the goal region over ten starts, mean of all models. Each task and model is one file of
    --out; a run that was stopped goes on with those that are missing.
    """

    tasks: tuple[str, ...] = tuple(RECIPES)
    """planar, balance, swingup, cartpole, threelink."""
    models: int = 10
    """How many, with seeds 0, 1, ..."""
    model: str | None = None
    """e2c, pcc or pc3: the published encoder, objective and latent in the place of ours, all else the same."""
    out: Path = Path("runs/locally-linear")
    """Folder of the results and of the latents' maps."""
    launcher: str = "processes"
    """Where models are learned: processes, slurm or ray with options, see `worldmodel benchmark dmc --help`. What tasks
    share of one seed is learned once, so that a job is all tasks of a seed."""
    processes: int | None = None
    """Seeds side by side with --launcher processes; 1 if not given."""
    table: Path | None = None
    """Where the summary goes as JSON; tasks that it holds and that are not run stay. None: into --out, under the
    model's name."""


def run(argv: list[str]) -> None:
    """Raises UserError."""
    arguments = tyro.cli(Arguments, prog="worldmodel benchmark locally-linear", args=argv)
    check(arguments)
    launcher = choose(arguments.launcher, arguments.processes, arguments.out.absolute() / "jobs")
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = learn_all(arguments, launcher)
    rows = summary({task: found_of(arguments, task) for task in arguments.tasks})
    Console().print(table(rows, arguments.model))
    name = f"{arguments.model}-{RESULTS}" if arguments.model else RESULTS
    write_table(arguments.table or arguments.out / name, rows)
    if failed:
        raise SomeFailed(f"The models of {failed} seeds failed, see above; the same command goes on with them.")


def check(arguments: Arguments) -> None:
    for task in arguments.tasks:
        recipe(task, arguments.model)
    if arguments.models < 1:
        raise UserError(f"At least one model is needed; --models {arguments.models} came.")


@dataclass(frozen=True)
class Seed:
    """What is learned at once: the models of one seed, those that are not in ``out`` yet."""

    out: Path
    tasks: tuple[str, ...]
    model: str | None
    number: int

    @property
    def missing(self) -> tuple[Cell, ...]:
        cells = (Cell(task, self.model, self.number) for task in self.tasks)
        return tuple(cell for cell in cells if stored(self.out, cell) is None)


def learn_all(arguments: Arguments, launcher: Launcher) -> int:
    """Learn what is missing, and tell of each seed. Returns how many failed."""
    where, tasks, model = arguments.out.absolute(), arguments.tasks, arguments.model
    seeds = [Seed(where, tasks, model, number) for number in range(arguments.models)]
    todo, started, done = [seed for seed in seeds if seed.missing], time.monotonic(), 0

    def line(seed: Seed, means: dict[str, float]) -> str:
        nonlocal done
        done += 1
        left = (time.monotonic() - started) / done * (len(todo) - done)
        said = ", ".join(f"{task} {mean:.1f} %" for task, mean in means.items())
        return f"{done}/{len(todo)} · seed {seed.number}: {said} · {clock(left)} left"

    return tell_each(launcher, learn_seed, todo, lambda seed: f"seed {seed.number}", line)


def learn_seed(seed: Seed) -> dict[str, float]:
    """Percentage by task, of those that were missing."""
    torch.set_num_threads(1)
    models: Models = {}
    return {cell.task: measure(seed.out, cell, Line(cell), models)["mean"] for cell in seed.missing}


def found_of(arguments: Arguments, task: str) -> list[dict[str, Any]]:
    """All results of a task that there are."""
    found = (stored(arguments.out, Cell(task, arguments.model, number)) for number in range(arguments.models))
    return [one for one in found if one is not None]


@dataclass
class Line:
    """Says how training goes, with the time left of this model."""

    cell: Cell
    started: float = 0.0
    last: int = 0
    done: int = 0

    def __call__(self, update: int, losses: dict[str, float]) -> None:
        """update: of this stage, which begins anew where the count is less than the last."""
        self.started = self.started or time.monotonic()
        self.done += update - (self.last if update > self.last else 0)
        self.last, updates = update, recipe(self.cell.task, self.cell.model).all_updates
        if self.done % 500 == 0 or self.done == updates:
            shown = " ".join(f"{name} {value:.3g}" for name, value in losses.items())
            left = (time.monotonic() - self.started) / self.done * (updates - self.done)
            print(f"{self.cell.name} · update {self.done}/{updates} · {shown} · {clock(left)} left", flush=True)


def table(rows: dict[str, dict[str, float | int]], model: str | None) -> Table:
    shown = Table("task", f"{model} here" if model else "ours", "95 %", "models", "PC3", "PCC", "SOLAR", box=box.SIMPLE)
    for task, row in rows.items():
        span = f"{row['low']:.1f} to {row['high']:.1f}" if row["low"] == row["low"] else "one model"
        published = (f"{row[name]:.1f}" for name in ("pc3", "pcc", "solar"))
        shown.add_row(task, f"{row['ours']:.1f}", span, str(row["models"]), *published)
    return shown
