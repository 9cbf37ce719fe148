"""`worldmodel benchmark dmc`: tasks of the control suite from pixels, beside published returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from experiments import check_config, dmc_cells, environment
from experiments.dmc_cells import Cell
from experiments.errors import UserError
from experiments.launchers.choice import choose
from experiments.launchers.interface import Launcher
from experiments.launchers.outcomes import SomeFailed, tell_each
from experiments.published_dmc import COLUMNS, PUBLISHED
from experiments.report.curves import curves
from worldmodel.durable import write_whole

GOAL = "TD-MPC, 100k frames"
UNITS = {"k": 1000, "m": 1_000_000}


@dataclass(frozen=True)
class Arguments:
    """Train and evaluate on tasks of the control suite. What was stopped goes on, and what is done is not done again.

    In --out: a run folder and, when it is finished, one JSON per task and seed, and curves.svg.
    """

    tasks: tuple[str, ...] = ("cartpole-swingup", "ball_in_cup-catch", "finger-spin")
    """Of the suite, e.g. cup-catch; with options after commas, e.g. walker-walk,render=default."""
    frames: str = "100k"
    """Control steps seen in training, random ones included: 100k, 1M."""
    seeds: tuple[int, ...] = (0,)
    """One run of each task with each."""
    planner: str | None = None
    """Collects and evaluates, e.g. icem:candidates=48,iterations=3; the preset's iCEM, with proposals and value of a
    soft actor-critic that learns in turns with collecting, if not given."""
    updates: int | None = None
    """Gradient steps of a round with all episodes; those before have fewer. The preset's if not given."""
    last_updates: int | None = None
    """Gradient steps of the last round, whose model is evaluated; 0: --updates too. The preset's if not given."""
    episodes: int = 10
    """To evaluate with, from start states never trained on."""
    out: Path = Path("runs/benchmark-dmc")
    """Where all of it lies."""
    launcher: str = "processes"
    """processes of this machine; slurm (a job per cell, submitit's options: slurm:partition=cpu,mem_gb=8) or
    slurm:cluster=local; ray or ray:address=auto. Any goes on with what another began."""
    processes: int | None = None
    """Cells side by side with --launcher processes, one thread each; 1 if not given."""


def run(argv: list[str]) -> None:
    """Raises UserError for what cannot be, before anything is played."""
    arguments = tyro.cli(Arguments, prog="worldmodel benchmark dmc", args=argv)
    wanted = cells(arguments)
    if said := environment.describe(wanted[0].config.env):
        print(said)
    launcher = choose(arguments.launcher, arguments.processes, arguments.out.absolute() / "jobs")
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = play_all(wanted, launcher)
    if results := [found for cell in wanted if (found := dmc_cells.read(cell))]:
        report(arguments.out, results)
    if failed:
        raise SomeFailed(f"{failed} of {len(wanted)} cells failed, see above; the same command goes on with them.")


def cells(arguments: Arguments) -> list[Cell]:
    """One per task and seed, each with a configuration that can be."""
    if not (arguments.tasks and arguments.seeds) or min(arguments.seeds) < 0 or arguments.episodes < 1:
        raise UserError(
            f"A benchmark needs tasks, seeds of at least 0 and episodes of at least 1; {arguments.tasks}, "
            f"{arguments.seeds} and {arguments.episodes} came."
        )
    updates = (arguments.updates, arguments.last_updates)
    numbers = (read_frames(arguments.frames), arguments.planner, *updates, arguments.episodes)
    out = arguments.out.absolute()  # a launcher's processes may work in another folder
    found = [Cell(out, task, seed, *numbers) for task in arguments.tasks for seed in arguments.seeds]
    for cell in found:
        check_config.check(cell.config)
    return found


def read_frames(text: str) -> int:
    """``100k`` is 100,000."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].lower() in UNITS else (text, "")
    try:
        return round(float(number) * UNITS.get(unit, 1))
    except ValueError as error:
        raise UserError(f"--frames is a number such as 100k or 1M; {text} came.") from error


def play_all(wanted: list[Cell], launcher: Launcher) -> int:
    """Play those that are not stored, and tell of each. Returns how many failed."""
    stored = {cell: found for cell in wanted if (found := dmc_cells.read(cell))}
    for cell, found in stored.items():
        print(line(cell, found))
    return tell_each(launcher, dmc_cells.play, [cell for cell in wanted if cell not in stored], title, line)


def title(cell: Cell) -> str:
    return f"{cell.task} seed {cell.seed}"


def line(cell: Cell, result: dict[str, Any]) -> str:
    return f"{title(cell)}: return {result['return_mean']:.0f}"


def report(out: Path, found: list[dict[str, Any]]) -> None:
    """The table on the terminal, the curves as a file."""
    Console().print(table(found))
    print(
        "frames count the action repeat; pictures: "
        + ", ".join(sorted({one["env"].partition(",")[2] for one in found}))
    )
    by_task: dict[str, list[Any]] = {}
    for one in found:
        by_task.setdefault(plain(one["env"]), []).append(one["curve"])
    lines = {task: known(task) for task in by_task}
    write_whole(out / "curves.svg", curves(by_task, lines, 1000).encode())
    print(f"wrote {out / 'curves.svg'}")


def table(found: list[dict[str, Any]]) -> Table:
    """A column per task: mean over its seeds, and what others have published."""
    groups = [[one for one in found if one["env"] == env] for env in dict.fromkeys(one["env"] for one in found)]
    shown = Table("return", *(plain(group[0]["env"]) for group in groups), box=box.SIMPLE)
    rows: dict[str, list[str]] = {}
    for group in groups:
        means, minutes = [one["return_mean"] for one in group], [one["cpu_seconds"] / 60 for one in group]
        rows.setdefault("ours, mean of the seeds", []).append(f"{np.mean(means):.0f}")
        rows.setdefault("lowest to highest seed", []).append(f"{min(means):.0f} to {max(means):.0f} ({len(means)})")
        alone = [one["actor"]["return_mean"] for one in group if one["actor"]]
        rows.setdefault("ours, the actor alone", []).append(f"{np.mean(alone):.0f}" if alone else "-")
        rows.setdefault("frames", []).append(f"{group[0]['frames']:,}")
        rows.setdefault("CPU minutes a seed", []).append(f"{np.mean(minutes):.1f}")
        for name, value in zip(COLUMNS, PUBLISHED.get(plain(group[0]["env"]), (None,) * len(COLUMNS)), strict=True):
            rows.setdefault(name, []).append("-" if value is None else str(value))
    for name, values in rows.items():
        shown.add_row(name, *values)
    return shown


def plain(env: str) -> str:
    """``dmc:cartpole-swingup,render=smooth,repeat=8`` -> ``cartpole-swingup``."""
    return env.removeprefix("dmc:").partition(",")[0]


def known(task: str) -> dict[str, float]:
    """The line to be beaten."""
    values = dict(zip(COLUMNS, PUBLISHED.get(task, ()), strict=False))
    name = GOAL if values.get(GOAL) is not None else "best known, 100k frames"
    return {name: float(value)} if (value := values.get(name)) is not None else {}
