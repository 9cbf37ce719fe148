"""The numbers of a comparison: rows with intervals, and paired differences from the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments import provenance
from experiments.budget import Budget
from experiments.cells import Outcome
from experiments.config import PlannerConfig
from experiments.decision_time import Times
from experiments.evaluate import interval, score, settings
from experiments.ladder import Ladder
from experiments.reference import Reference


@dataclass(frozen=True)
class Entry:
    """What one planner did at one budget on one run: an outcome per seed."""

    env: str
    model: str
    budget: Budget
    planner: str
    config: PlannerConfig
    model_steps: int
    times: Times
    outcomes: tuple[Outcome, ...]

    @property
    def returns(self) -> list[float]:
        return [x for outcome in self.outcomes for x in outcome.returns]


@dataclass(frozen=True)
class Difference:
    """Return less that of the best (on the same run, at the same budget), over pairs of episodes from the same start.

    mean, low, high: 95 % bootstrap interval over the pairs. The best was picked by its return, so that its lead is a
    little flattered.
    """

    best: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One planner at one budget on one run.

    returns: per episode, seed after seed. low, high: 95 % bootstrap intervals over episodes. predicted, realised:
    means over episodes of what `imagination_gap` compares, gap their difference; None where there is nothing to judge.
    decision_ms, decision_ms_p90: see `experiments.decision_time`. model_steps: of one decision. versus: None for the
    best itself.
    """

    planner: str
    env: str
    model: str
    budget: str
    episodes: int
    score: float | None
    return_mean: float
    return_low: float
    return_high: float
    predicted: float | None
    realised: float | None
    gap_low: float | None
    gap_high: float | None
    decision_ms: float
    decision_ms_p90: float
    model_steps: int
    versus: Difference | None
    settings: dict[str, Any]
    returns: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """left_out: what could not be compared or judged, each a sentence. ladders: by run. commits: of the code.

    references: floor and reference return by environment, None where none is stored.
    """

    rows: tuple[Row, ...]
    ladders: dict[str, Ladder]
    left_out: tuple[str, ...]
    seeds: tuple[int, ...]
    episodes: int
    references: dict[str, tuple[float, float] | None]
    commits: tuple[str, ...]
    device: str


def rows_of(entries: Sequence[Entry], references: dict[str, Reference | None]) -> tuple[Row, ...]:
    """One row per entry, in their order."""
    best: dict[tuple[str, Budget], Entry] = {}
    for entry in entries:
        place = entry.model, entry.budget
        if place not in best or np.mean(entry.returns) > np.mean(best[place].returns):
            best[place] = entry
    return tuple(row(entry, best[entry.model, entry.budget], references[entry.env]) for entry in entries)


def row(entry: Entry, best: Entry, reference: Reference | None) -> Row:
    mean, (low, high) = float(np.mean(entry.returns)), interval(entry.returns)
    predicted, realised = judged(entry.outcomes)
    gap_low, gap_high = (
        interval([p - r for p, r in zip(predicted, realised, strict=True)]) if predicted else (None,) * 2
    )
    return Row(
        planner=entry.planner,
        env=entry.env,
        model=entry.model,
        budget=str(entry.budget),
        episodes=len(entry.returns),
        score=score(mean, reference),
        return_mean=mean,
        return_low=low,
        return_high=high,
        predicted=float(np.mean(predicted)) if predicted else None,
        realised=float(np.mean(realised)) if realised else None,
        gap_low=gap_low,
        gap_high=gap_high,
        decision_ms=entry.times.median,
        decision_ms_p90=entry.times.p90,
        model_steps=entry.model_steps,
        versus=None if entry is best else difference(entry.returns, best),
        settings=settings(entry.config),
        returns=tuple(entry.returns),
    )


def judged(outcomes: Sequence[Outcome]) -> tuple[list[float], list[float]]:
    """Predicted and realised of the episodes that have both."""
    pairs = [(p, r) for outcome in outcomes for p, r in zip(outcome.predicted, outcome.realised, strict=True)]
    known = [(p, r) for p, r in pairs if p is not None and r is not None]
    return [p for p, _ in known], [r for _, r in known]


def difference(returns: Sequence[float], best: Entry) -> Difference:
    differences = [a - b for a, b in zip(returns, best.returns, strict=True)]
    return Difference(best.planner, float(np.mean(differences)), *interval(differences))


def to_json(comparison: Comparison) -> dict[str, Any]:
    """For `json.dump`. env, model, budget and seed are lists where there are several; every row says its own."""
    rows = [asdict(row) for row in comparison.rows]
    return {
        "env": one_or_all(row["env"] for row in rows),
        "model": one_or_all(row["model"] for row in rows),
        "budget": one_or_all(row["budget"] for row in rows),
        "episodes": comparison.episodes,
        "seed": one_or_all(comparison.seeds),
        "rows": rows,
        "ladders": {run: asdict(ladder) for run, ladder in comparison.ladders.items()},
        "left_out": list(comparison.left_out),
        "references": {
            env: None if pair is None else {"random": pair[0], "reference": pair[1]}
            for env, pair in comparison.references.items()
        },
        "device": comparison.device,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "commits": list(comparison.commits),
    }


def one_or_all(values: Any) -> Any:
    different = list(dict.fromkeys(values))
    return different[0] if len(different) == 1 else different
