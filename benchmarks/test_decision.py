"""One decision of CEM at PlaNet's sizes beside its matrix products: eager, by the kernels, in a CUDA graph, both.

    OMP_NUM_THREADS=1 pytest benchmarks/test_decision.py --benchmark-enable -s

On the GPU if there is one, else on one core; what the device cannot run is absent. ``floor_ratio`` is the time of a
decision over that of as many operations by torch.mm (the gates' product), timed in turns with it. ``eager`` takes the
roll-out and the reward head in plain PyTorch. First every one has to find a known answer.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
from planning_problem import REACH_FIRST_ACTION, Problem, Setting, planet, reach
from pytest_benchmark.fixture import BenchmarkFixture
from test_rollout import DEVICE, PLANET, Case, gates_product, seconds, timed
from torch import Generator, Tensor

from planners.objective import LearnedReward
from planners.sampling import cem
from worldmodel.interface import State
from worldmodel.kernels.rssm_rollout import reference

SETTING, KNOWN = Setting(1000, 12, 10), Setting(500, 3, 10)
HEAD_OPERATIONS = 2 * (230 * 200 + 200 * 200 + 200)  # of the reward of one state
NAMES = {"cpu": ["eager", "kernels"], "cuda": ["eager", "eager graph", "kernels", "kernels graph"]}

pytestmark = pytest.mark.benchmark(timer=seconds)


def decision(name: str, problem: Problem, setting: Setting) -> Callable[[], Tensor]:
    generator = Generator(device=DEVICE).manual_seed(0)
    numbers = {"horizon": setting.horizon, "candidates": setting.candidates, "iterations": setting.iterations}
    model = problem.model
    if "eager" in name and problem.dynamics is not None:
        weights = problem.dynamics.weights
        model = replace(
            model,
            rollout=lambda state, actions, noise: State(*reference.rollout(weights, *state, actions, noise)),
            reward_of=lambda state: problem.reward(state.vector),
        )
    planner = cem(model, LearnedReward(model), generator, elites=setting.elites, graph="graph" in name, **numbers)
    start = problem.start.to(DEVICE)[None]
    state = State(*start.split([model.sizes.deter, model.sizes.stoch], dim=-1))
    return lambda: planner.plan(state)[0][0]


@pytest.mark.parametrize("name", NAMES[DEVICE])
def test_decision(benchmark: BenchmarkFixture, name: str) -> None:
    assert (decision(name, reach(DEVICE), KNOWN)().cpu() - REACH_FIRST_ACTION).abs().max() < 0.2
    run = decision(name, planet(device=DEVICE), SETTING)
    product, operations = gates_product(Case("planet", PLANET, SETTING.candidates))
    times: list[float] = []
    benchmark.group = f"decision {SETTING}"
    benchmark.pedantic(run, setup=lambda: timed(product, times), rounds=9, warmup_rounds=2)
    if benchmark.stats is None:  # under --benchmark-disable
        return
    median = benchmark.stats.stats.median
    states = SETTING.candidates * SETTING.horizon * SETTING.iterations
    floor = states * (PLANET.flops(sampled=False) + HEAD_OPERATIONS) / (operations / statistics.median(times))
    benchmark.extra_info |= {"implementation": name, "floor_ratio": round(median / floor, 3), "device": DEVICE}
    print(f"\n| {SETTING} | {name} | {1e3 * median:.2f} ms | {median / floor:.2f} of the products' time |")
