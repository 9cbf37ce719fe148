"""`worldmodel demo`: the whole way once, from nothing to a table."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from experiments import run_folder
from experiments.commands.evaluate import explain
from experiments.commands.train import train_run
from experiments.config import PlannerConfig
from experiments.errors import UserError
from experiments.evaluate import Evaluation, evaluate, named_planner
from experiments.presets import preset
from experiments.shards import RANDOM, On, processes
from worldmodel.durable import write_whole

MOST_PROCESSES = 4


@dataclass(frozen=True)
class Arguments:
    """Learn the pendulum from pixels, plan with what was learned, and compare with planning on the true dynamics."""

    out: Path = Path("runs/demo")
    """Run folder."""
    replace: bool = False
    """Delete the run that is there; otherwise nothing is overwritten."""
    preset: str = "pendulum"
    """What to learn."""
    seed: int = 0
    """Of the training run; the evaluation's is 0."""
    episodes: int = 20
    """Per line of the table."""
    workers: Literal[0, 1] = 1
    """1 collects in a second process."""


def run(argv: list[str]) -> None:
    """Raises UserError where the folder holds a run and --replace was not given."""
    arguments = tyro.cli(Arguments, prog="worldmodel demo", args=argv)
    config = replace(preset(arguments.preset), seed=arguments.seed)
    started = time.monotonic()
    make_room(arguments)
    training = train_run(arguments.preset, config, arguments.out, workers=arguments.workers)
    trained = time.monotonic()
    lines = compare(arguments)
    minutes = (time.monotonic() - started) / 60
    report(arguments.out, lines, minutes, (trained - started) / 60)
    Console().print(table(lines, minutes))
    print(explain(lines[1]))
    print(f"training took {(trained - started) / 60:.1f} of {minutes:.1f} minutes, {training.updates} updates")
    print(f"see {arguments.out / 'open_loop.webp'} (any browser) and {arguments.out / 'evaluation.json'}")


def make_room(arguments: Arguments) -> None:
    if arguments.replace:
        run_folder.remove(arguments.out)
    elif arguments.out.exists():
        raise UserError(
            f"The demo needs a folder of its own; {arguments.out} exists. Start over with --replace, which deletes "
            "that run, or choose another with --out."
        )


def compare(arguments: Arguments) -> list[Evaluation]:
    """Random actions, CEM on the model, the same CEM on the simulator; from the same start states."""
    cem = named_planner("cem", run_folder.read_config(arguments.out).planner)
    beside = min(os.cpu_count() or 1, MOST_PROCESSES)
    with processes(beside) as pool:
        lines: list[tuple[PlannerConfig, On]] = [
            (PlannerConfig(RANDOM), "simulator"),
            (cem, "model"),
            (cem, "simulator"),
        ]
        return [
            evaluate(arguments.out, planner, arguments.episodes, 0, on, "cpu", pool, beside) for planner, on in lines
        ]


def report(folder: Path, lines: list[Evaluation], minutes: float, training_minutes: float) -> None:
    """Write `evaluation.json`: the score of the planner on the model, the minutes, and all evaluations."""
    content = {
        "score": lines[1].score,
        "minutes": minutes,
        "training_minutes": training_minutes,
        "evaluations": [asdict(line) for line in lines],
    }
    write_whole(folder / "evaluation.json", (json.dumps(content, indent=1) + "\n").encode())


def table(lines: list[Evaluation], minutes: float) -> Table:
    title = f"{lines[0].env}: {lines[0].episodes} episodes each, {minutes:.1f} minutes in all"
    shown = Table("", "return", "95 %", "score", "ms", box=box.SIMPLE, title=title)
    names = ("random actions", f"{lines[1].planner} on the model", f"{lines[2].planner} on the simulator")
    for name, one in zip(names, lines, strict=True):
        score = "?" if one.score is None else f"{one.score:.3f}"
        speed = "" if one.planner == RANDOM else f"{one.decision_ms:.1f}"
        shown.add_row(name, f"{one.return_mean:.1f}", f"{one.return_low:.1f} to {one.return_high:.1f}", score, speed)
    return shown
