"""Every model with every planner on one data set: score, training time, error of the prediction by horizon.

    worldmodel train pendulum --rounds 10 --out runs/source
    python benchmarks/models_and_planners.py --source runs/source --out runs/models

Models learn offline from the episodes of one run, so that all see the same; one in ten is held out for the errors. What
was done before is not done again: a model is trained once (and goes on after a stop), each cell is one JSON file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

import envs
from experiments import environment, run_folder
from experiments.data_source import open_data
from experiments.evaluate import evaluate, named_planner
from experiments.model_presets import MODELS
from experiments.state_probe import filter_all
from worldmodel.data_folder import About, create, is_data_folder, open_folder, read_about
from worldmodel.durable import write_whole
from worldmodel.insight.horizon import Errors, image_errors, look_ahead
from worldmodel.replay import Replay

HORIZON, SHOWN = 15, (1, 5, 15)
TEST_SHARE = 0.1


@dataclass(frozen=True)
class Arguments:
    """Train what is missing, play what is missing, print the table."""

    source: Path
    """Run whose episodes all learn from."""
    out: Path
    """Where runs and cells are kept."""
    models: tuple[str, ...] = tuple(MODELS)
    """Names, as listed by `worldmodel models`."""
    planners: tuple[str, ...] = ("cem", "ilqr")
    preset: str = "pendulum"
    rounds: int = 10
    updates: int = 300
    """Per round."""
    optimizer: str = "muon"
    """adam wants smaller learning rates, such as 2e-3 and 1e-4."""
    learning_rate: float = 8e-3
    final_learning_rate: float = 4e-4
    seed: int = 0
    """Of weights and batches."""
    episodes: int = 20
    """Played per cell, from start states that no training has seen."""


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    share(arguments.source, arguments.out / "data")
    for name in arguments.models:
        cell(arguments.out / f"{name}-train.json", lambda name=name: trained(arguments, name))
        cell(arguments.out / f"{name}-ahead.json", lambda name=name: ahead(arguments.out / name))
        for planner in arguments.planners:
            file = arguments.out / f"{name}-{planner}.json"
            cell(file, lambda name=name, planner=planner: played(arguments, name, planner))
            Console().print(table(arguments))


def share(source: Path, folder: Path) -> None:
    """The episodes of the run ``source`` as a data folder, unless it is there already."""
    if is_data_folder(folder) and open_folder(folder).episodes == read_about(folder).episodes:
        return
    config, episodes = run_folder.read_config(source), list(Replay.open(source / "replay").episodes("train"))
    rows, form = sum(episode.rows for episode in episodes), environment.shapes(config.env, config.size)
    about = About(config.env, str(source), config.seed, len(episodes), TEST_SHARE, rows, rows, *form)
    data = create(folder, about)
    for episode in episodes[data.episodes :]:
        data.add(episode)


def cell(file: Path, make: Callable[[], dict[str, Any]]) -> None:
    if not file.exists():
        write_whole(file, (json.dumps(make(), indent=1) + "\n").encode())


def trained(arguments: Arguments, name: str) -> dict[str, Any]:
    """CPU minutes of the training process; those of an earlier, stopped one are not known and not counted."""
    folder, before = arguments.out / name, resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["train", arguments.preset, "--data", arguments.out / "data", "--model", name, "--out", folder]
    numbers = ["--rounds", arguments.rounds, "--updates", arguments.updates, "--seed", arguments.seed]
    rates = ["--learning-rate", arguments.learning_rate, "--final-learning-rate", arguments.final_learning_rate]
    numbers += ["--optimizer", arguments.optimizer, *rates]
    stopped = run_folder.has_checkpoint(folder)
    words = [str(word) for word in [*command, *numbers, *(["--resume"] if stopped else [])]]
    subprocess.run([sys.executable, "-m", "experiments.cli", *words], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_minutes": seconds / 60, "whole": not stopped, "command": " ".join(["worldmodel", *words])}


def played(arguments: Arguments, name: str, planner: str) -> dict[str, Any]:
    run = arguments.out / name
    numbers = named_planner(planner, run_folder.read_config(run).planner)
    found = evaluate(run, numbers, arguments.episodes)
    return {
        "score": found.score,
        "return": found.return_mean,
        "low": found.return_low,
        "high": found.return_high,
        "decision_ms": found.decision_ms,
        "settings": found.settings,
        "machine": found.machine,
        "commit": found.commit,
    }


def ahead(run: Path) -> dict[str, Any]:
    """Root mean squared error of moving pixels by horizon, of the model and of copying the last frame."""
    config, model = run_folder.load_model(run, torch.device("cpu"))
    episodes = list(open_data(config).test.episodes("train"))
    filtered, _, _ = filter_all(model, envs.task(config.env), episodes)
    background = np.median(np.concatenate([e.observation for e in episodes])[::7], 0).astype(np.uint8)
    _, moving = image_errors(model, episodes, look_ahead(model, episodes, filtered, HORIZON), background)
    return {name: by_horizon(getattr(moving, name)) for name in Errors._fields}


def by_horizon(squares: np.ndarray) -> list[float]:
    """``[starts, horizon] -> [horizon]``."""
    return [float(value) for value in np.sqrt(np.nanmean(squares, 0))]


def table(arguments: Arguments) -> Table:
    """Scores by planner, then errors of the model and of copying the last frame, so many steps ahead."""
    titles = [*arguments.planners, *(f"at {steps}" for steps in SHOWN)]
    shown = Table("model", "CPU min", *titles, box=box.SIMPLE)
    for name in arguments.models:
        row = [read(arguments.out / f"{name}-train.json", lambda cell: f"{cell['cpu_minutes']:.1f}")]
        row += [
            read(arguments.out / f"{name}-{planner}.json", lambda cell: f"{cell['score']:.2f}")
            for planner in arguments.planners
        ]
        row += [
            read(
                arguments.out / f"{name}-ahead.json",
                lambda cell, k=steps - 1: f"{cell['model'][k]:.2f}/{cell['copy'][k]:.2f}",
            )
            for steps in SHOWN
        ]
        shown.add_row(name, *row)
    return shown


def read(file: Path, show: Callable[[dict[str, Any]], str]) -> str:
    return show(json.loads(file.read_bytes())) if file.exists() else "-"


if __name__ == "__main__":
    main(tyro.cli(Arguments))
