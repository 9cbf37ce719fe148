"""How well a planner does: episodes from start states that no training run has seen, with an interval and a score."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from experiments import device, environment, provenance, run_folder
from experiments.config import PlannerConfig
from experiments.errors import UserError
from experiments.planning import require_name
from experiments.reference import Reference, reference_for
from experiments.shards import RANDOM, SHARD, On, Shard, play_all

RESAMPLES = 9999
SIMULATOR, NONE = "simulator", "none"  # in place of a run folder


@dataclass(frozen=True)
class Evaluation:
    """What was played and what came out.

    model: the run folder, or ``simulator``, or ``none`` for random actions. planner: its name; settings: its numbers.
    return_low, return_high: 95 % interval of the mean by the bias-corrected bootstrap over episodes.
    score: ``(return_mean - random) / (reference - random)``; None where no reference of this task is stored.
    decision_ms: median over all decisions of the wall time of filtering and planning for ``batch`` environments side by
    side, divided by their number; ``processes`` of them were at it at the same time.
    """

    env: str
    model: str
    planner: str
    episodes: int
    seed: int
    returns: tuple[float, ...]
    return_mean: float
    return_low: float
    return_high: float
    score: float | None
    reference: float | None
    random: float | None
    decision_ms: float
    batch: int
    processes: int
    settings: dict[str, Any]
    commit: str | None
    versions: dict[str, str]
    machine: str


def evaluate(
    run: Path,
    planner: PlannerConfig | None = None,
    episodes: int = 20,
    seed: int = 0,
    on: On = "model",
    where: str = "auto",
    pool: Executor | None = None,
    processes: int = 1,
) -> Evaluation:
    """Play ``episodes`` of the run's task.

    planner: that of the run's configuration if None; the name ``random`` plays uniform actions. on: the run's model, or
    the true dynamics. where: a device. pool: of so many ``processes``; the returns do not depend on it. Raises
    UserError, CheckpointError.
    """
    config = run_folder.read_config(run)
    planner = planner or config.planner
    check(planner.name, episodes, seed)
    if on == "simulator" and planner.name != RANDOM:
        environment.built_in(config.env, "--on simulator")
    learned = on == "model" and planner.name != RANDOM
    chosen = device.choose(where if learned else "cpu").type
    whole = Shard(config.env, config.size, run if learned else None, planner, seed, 0, episodes, chosen)
    played = play_all(whole, pool if chosen == "cpu" else None)
    name = str(run) if learned else NONE if planner.name == RANDOM else SIMULATOR
    return summarise(whole, name, played.returns, played.seconds, processes if pool and chosen == "cpu" else 1)


def check(planner: str, episodes: int, seed: int) -> None:
    require_name(planner, also=(RANDOM,))
    if episodes < 1 or seed < 0:
        raise UserError(f"--episodes must be at least 1 and --seed at least 0; {episodes} and {seed} came.")


def named_planner(name: str, like: PlannerConfig) -> PlannerConfig:
    """The planner ``name`` with its own defaults, and the horizon and discount of ``like``; ``like`` if it is that.

    So is ``like`` with a critic's value or an actor's proposals, e.g. ``cem+value`` for ``cem``.
    """
    if name.partition("+")[0] == like.name.partition("+")[0]:
        return replace(like, name=name)
    return PlannerConfig(name, like.horizon, discount=like.discount)


def summarise(whole: Shard, model: str, returns: list[float], seconds: list[float], processes: int) -> Evaluation:
    low, high = interval(returns)
    mean = float(np.mean(returns))
    reference = reference_for(whole.env)
    return Evaluation(
        env=whole.env,
        model=model,
        planner=whole.planner.name,
        episodes=whole.episodes,
        seed=whole.seed,
        returns=tuple(returns),
        return_mean=mean,
        return_low=low,
        return_high=high,
        score=score(mean, reference),
        reference=reference.reference if reference else None,
        random=reference.random if reference else None,
        decision_ms=1000 * float(np.median(seconds)),
        batch=min(SHARD, whole.episodes),
        processes=processes,
        settings={} if whole.planner.name == RANDOM else settings(whole.planner),
        commit=provenance.commit(),
        versions=provenance.versions(),
        machine=provenance.machine(),
    )


def settings(planner: PlannerConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(planner).items() if name != "name" and value is not None}


def score(mean: float, reference: Reference | None) -> float | None:
    return None if reference is None else (mean - reference.random) / (reference.reference - reference.random)


def interval(returns: list[float]) -> tuple[float, float]:
    """95 % interval of the mean, BCa bootstrap (Efron 1987); the mean itself where all are alike."""
    if len(returns) < 2 or np.ptp(returns) == 0:
        return returns[0], returns[0]
    found = bootstrap((np.array(returns),), np.mean, n_resamples=RESAMPLES, rng=np.random.default_rng(0))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
