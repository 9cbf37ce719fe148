"""One JSON per task and model, so that a run that was stopped goes on; and the table of them all."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import envs
from experiments import provenance
from experiments.locally_linear.control import in_goal_region
from experiments.locally_linear.learn import held_out_contrast, learn
from experiments.locally_linear.picture import latent_picture
from experiments.locally_linear.recipes import RECIPES, Recipe, recipe
from experiments.locally_linear.transitions import scattered
from worldmodel.durable import write_whole
from worldmodel.sequence_vae import SequenceVAE

FORMAT = "worldmodel locally-linear 2"
RESAMPLES = 10_000

Told = Callable[[int, dict[str, float]], None]
Models = dict[tuple[str, int], tuple[SequenceVAE, Any]]


class Cell(NamedTuple):
    """One of the table's models. model: a published one, or None for ours."""

    task: str
    model: str | None
    seed: int

    @property
    def name(self) -> str:
        return "-".join([self.task, *([self.model] if self.model else []), str(self.seed)])


def stored(folder: Path, cell: Cell) -> dict[str, Any] | None:
    """What this recipe gave; None where there is nothing, or it is of another recipe."""
    try:
        found = json.loads((folder / f"{cell.name}.json").read_bytes())
    except (OSError, ValueError):
        return None
    same = isinstance(found, dict) and found.get("recipe") == recipe_as_json(recipe(cell.task, cell.model))
    return found if same and found.get("format") == FORMAT else None


def measure(folder: Path, cell: Cell, told: Told, models: Models | None = None) -> dict[str, Any]:
    """Learn this model of the task, control with it, write its JSON and its map.

    models: those already learned, by what they learned from; a task that shares its data takes the model from there.
    """
    task, _, seed = cell
    chosen, models = recipe(task, cell.model), {} if models is None else models
    started = time.process_time()
    key = (chosen.learn, seed)
    if key not in models:
        data, held_out = scattered(envs.goal_tasks()[chosen.learn], chosen.samples, seed).split(chosen.held_out)
        model = learn(chosen, data, seed, told)
        models[key] = model, (data, held_out_contrast(model, held_out, seed), time.process_time() - started)
    model, (data, contrast, seconds) = models[key]
    percent = in_goal_region(chosen, model, data, seed)
    result = {
        "format": FORMAT,
        "task": task,
        "model": cell.model or "ours",
        "seed": seed,
        "percent": percent,
        "mean": float(np.mean(percent)),
        "held_out_contrast_nats": contrast,
        "training_cpu_seconds": round(seconds, 1),
        "recipe": recipe_as_json(chosen),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
    }
    write_whole(folder / f"{cell.name}.json", (json.dumps(result, indent=1) + "\n").encode())
    picture = latent_picture(task, model) if cell.model is None else None
    if picture:
        picture.save(folder / f"{cell.name}.png")
    return result


def recipe_as_json(chosen: Recipe) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(chosen)))


def summary(results: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float | int]]:
    """Per task: our mean of models with its 95 % interval, how many, and the published figures."""
    table = {}
    for task, found in results.items():
        if found:
            means = [one["mean"] for one in found]
            low, high = interval(means)
            known = asdict(RECIPES[task].published)
            table[task] = {"ours": float(np.mean(means)), "low": low, "high": high, "models": len(means)} | known
    return table


def interval(means: list[float]) -> tuple[float, float]:
    """95 % of the mean over models, by resampling them; NaN for fewer than two."""
    if len(means) < 2:
        return math.nan, math.nan
    drawn = np.random.default_rng(0).choice(means, (RESAMPLES, len(means))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def write_table(path: Path, table: dict[str, dict[str, float | int]]) -> None:
    """Tasks that were not run now stay as they were."""
    before = json.loads(path.read_bytes()) if path.exists() else {}
    merged = before | {task: {name: rounded(value) for name, value in row.items()} for task, row in table.items()}
    ordered = {task: merged[task] for task in RECIPES if task in merged}
    write_whole(path, (json.dumps(ordered, indent=1) + "\n").encode())


def rounded(value: float | int) -> float | int | None:
    """JSON has no NaN: an interval that there is not is null."""
    return value if isinstance(value, int) else None if math.isnan(value) else round(value, 2)
