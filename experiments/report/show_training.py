"""Section 6 of the page: how the model came about."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import provenance
from experiments.config import TrainConfig
from experiments.metrics import read
from experiments.report.line_chart import Series, line_chart
from worldmodel import checkpoint

TERMS = 8  # charts of losses


class History(NamedTuple):
    """losses: updates and values of each term. returns: updates and the returns of the episodes collected then."""

    losses: dict[str, tuple[np.ndarray, np.ndarray]]
    returns: tuple[np.ndarray, np.ndarray]
    facts: dict[str, str]
    config: dict[str, str]


def history(folder: Path, config: TrainConfig) -> History:
    lines = read(folder / "metrics.jsonl")
    progress = checkpoint.load_progress(folder / "checkpoint")
    collected = [(line["updates"], value) for line in lines for value in line.get("returns", [])]
    x, y = np.array(collected, float).reshape(-1, 2).T
    return History(losses(lines), (x, y), facts(config, progress, lines), flat(asdict(config)))


def losses(lines: list[dict[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Terms in the order of the log; lines that tell of something else are passed over."""
    names = dict.fromkeys(k for line in lines for k, v in line.items() if k != "updates" and isinstance(v, float))
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in names:
        told = [(line["updates"], line[name]) for line in lines if isinstance(line.get(name), float)]
        x, y = np.array(told, float).T
        found[name] = (x, y)
    return found


def facts(config: TrainConfig, progress: dict[str, Any], lines: list[dict[str, Any]]) -> dict[str, str]:
    seconds, updates = progress.get("seconds", 0.0), progress.get("updates", 0)
    frames = updates * config.batch * config.length
    found = {
        "updates": f"{updates:,}, {frames:,} rows seen",
        "time": f"{seconds / 60:.1f} min",
        "speed": f"{updates / seconds:.1f} updates a second, {frames / seconds:,.0f} rows" if seconds else "not known",
        "data": f"{progress.get('episodes', 0)} episodes, {origin(config)}",
        "page made by": f"commit {provenance.commit() or 'unknown'} on {provenance.machine()}",
        "versions": ", ".join(f"{name} {version}" for name, version in provenance.versions().items()),
    }
    return found


def origin(config: TrainConfig) -> str:
    return f"those of {config.data.path}" if config.data else f"{config.seed_episodes} of them of random actions"


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Dots between levels; what is not set is left out."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[prefix + name] = f"{value:g}" if isinstance(value, float) else str(value)
    return found


def history_html(found: History) -> str:
    charts = "".join(
        f'<div><p class="group">{escape(name)}</p>{line_chart(of_term(found, name), "updates", small=True)}</div>'
        for name in list(found.losses)[:TERMS]
    )
    return (
        f"{facts_html(found.facts)}{returns_chart(found)}"
        f'<details><summary>Losses by term</summary><div class="multiples">{charts}</div></details>'
        f"<details><summary>The whole configuration</summary>{facts_html(found.config)}</details>"
    )


def of_term(found: History, name: str) -> list[Series]:
    """On the batches learned from, and on episodes held out, where there are any."""
    held_out = found.losses.get(f"held_out_{name}")
    series = [Series("learned from", *found.losses[name], 0), *([Series("held out", *held_out, 1)] if held_out else [])]
    return [one._replace(dots=len(one.x) == 1) for one in series]


def returns_chart(found: History) -> str:
    updates, returns = found.returns
    if not len(updates):
        return '<p class="hint">No episode was collected during training.</p>'
    rounds = np.unique(updates)
    mean = np.array([returns[updates == u].mean() for u in rounds])
    series = [Series("episodes", updates, returns, 7, dots=True), Series("mean of a round", rounds, mean, 1)]
    return f'<p class="group">Return of collected episodes, with noise</p>{line_chart(series, "updates")}'


def facts_html(facts: dict[str, str]) -> str:
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f'<div class="wide"><table class="facts">{lines}</table></div>'
