"""One decision of the sampling planners beside those of other packages: same dynamics, same budget, one thread.

    pip install -e ".[peers]" && OMP_NUM_THREADS=1 pytest benchmarks/test_planners.py --benchmark-enable -s

Every planner first has to find a known answer. Times are of the processor. A peer and our planner of the same kind are
timed in turns, and what counts is the ratio of the medians (above one: ours is faster); a peer that is not installed is
skipped. mbrl's pins are dead, so it is not in the extra: ``pip install --no-deps mbrl``, then ``pip install hydra-core
termcolor matplotlib imageio tensorboard tqdm``.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from planning_problem import REACH_FIRST_ACTION, Problem, Setting, planet, reach
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Generator, Tensor
from turns import cpu_seconds

from planners import sampling
from planners.objective import LearnedReward
from worldmodel.interface import State

SETTINGS = [Setting(64, 12, 3), Setting(1000, 12, 10)]
KNOWN = Setting(500, 3, 10)
TOLERANCE = 0.2  # of the first action, which is up to 0.6 away from where the search starts
OURS = ["random_shooting", "cem", "icem", "mppi"]
PEERS = [
    ("pytorch_mppi_planner", "pytorch_mppi", "mppi"),
    ("mbrl_planners", "mbrl", "cem"),
    ("mbrl_planners", "mbrl", "icem"),
    ("mbrl_planners", "mbrl", "mppi"),
    ("torchrl_planner", "torchrl", "cem"),
]
Decide = Callable[[], Tensor]


def ours(kind: str, problem: Problem, setting: Setting) -> Decide:
    """Our planner with the peers' numbers. Random shooting draws all of its candidates at once."""
    numbers = {"horizon": setting.horizon, "candidates": setting.candidates, "iterations": setting.iterations}
    if kind == "random_shooting":
        numbers |= {"candidates": setting.candidates * setting.iterations, "iterations": 1}
    elif kind == "mppi":
        numbers |= {"smoothing": 1}
    else:
        numbers |= {"elites": setting.elites}
    planner = getattr(sampling, kind)(
        problem.model, LearnedReward(problem.model), Generator().manual_seed(0), **numbers
    )
    deter = problem.model.sizes.deter
    start = State(problem.start[None, :deter], problem.start[None, deter:])
    return lambda: planner.plan(start)[0][0]


def peer(module: str, package: str, kind: str, problem: Problem, setting: Setting) -> Decide:
    pytest.importorskip(package, reason=f"{package} is not installed; how to is said at the top of this file")
    torch.manual_seed(0)  # the peers draw from the global generator
    return getattr(importlib.import_module(f"peers.{module}"), kind)(problem, setting)


def require_known_answer(decide: Decide) -> None:
    error = (decide() - REACH_FIRST_ACTION).abs().max().item()
    assert error < TOLERANCE, f"first action off by {error:.3f}: a planner that does not plan is not timed"


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    print("\n| size | peer | its CPU ms | ours, CPU ms | ratio |\n|---|---|---|---|---|", *rows, sep="\n")


@pytest.mark.benchmark(timer=time.process_time, min_rounds=3)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", OURS)
def test_ours(benchmark: BenchmarkFixture, kind: str, setting: Setting) -> None:
    if kind != "random_shooting":  # which is not expected to come close in six dimensions
        require_known_answer(ours(kind, reach(), KNOWN))
    benchmark.group = str(setting)
    benchmark(ours(kind, planet(), setting))


@pytest.mark.benchmark(timer=time.process_time, min_rounds=3)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize(("module", "package", "kind"), PEERS)
def test_peer(
    benchmark: BenchmarkFixture, table: list[str], module: str, package: str, kind: str, setting: Setting
) -> None:
    require_known_answer(peer(module, package, kind, reach(), KNOWN))
    theirs, own = peer(module, package, kind, planet(), setting), ours(kind, planet(), setting)
    theirs(), own()
    benchmark.group = str(setting)
    rounds = 21 if setting.candidates < 200 else 5
    seconds, own_seconds = cpu_seconds(theirs, own, rounds=rounds if benchmark.enabled else 1)
    benchmark.extra_info |= {"cpu_seconds": seconds, "ratio_to_ours": seconds / own_seconds}
    cells = [str(setting), f"{package} {kind}", f"{1e3 * seconds:.1f}", f"{1e3 * own_seconds:.1f}"]
    table.append(f"| {' | '.join(cells)} | {seconds / own_seconds:.2f} |")
    benchmark.pedantic(theirs, rounds=3)
