"""One decision of the actor beside one of CEM, 1000 x 12 x 10, with the same model, in turns.

    OMP_NUM_THREADS=1 pytest benchmarks/test_actor.py --benchmark-enable -s

The pendulum's model (deter 128, stoch 16, hidden 128, untrained: what it has learned costs nothing), one environment. A
decision of the actor is its action alone, horizon 1, or with the 12 steps that it promises. Filtering is not in it.
"""

from __future__ import annotations

import math
import time
from statistics import median

import pytest
import torch

from planners.actor_critic.agent import ActorCritic
from planners.actor_critic.policy import ActorPlanner
from planners.interface import Planner
from planners.objective import LearnedReward
from planners.sampling import cem
from worldmodel.build import ModelConfig, build
from worldmodel.interface import State

ROUNDS = 7
TARGET = 100  # times as cheap


def cpu_ms(planner: Planner, state: State, repeats: int) -> float:
    """Processor time of one decision."""
    started = time.process_time()
    for _ in range(repeats):
        planner.plan(state)
    return 1000 * (time.process_time() - started) / repeats


@pytest.mark.skipif("not config.getoption('--benchmark-enable')", reason="takes long: pytest --benchmark-enable")
def test_a_decision_of_the_actor_beside_cem(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(), (32, 32, 3), 1).eval().requires_grad_(False)
    actor = ActorCritic(model.sizes.latent, 1, [128, 128]).actor.requires_grad_(False)
    state, objective, generator = model.initial(1).state, LearnedReward(model), torch.Generator().manual_seed(0)
    searching = cem(model, objective, generator, horizon=12, candidates=1000, iterations=10)
    deciding = {h: ActorPlanner(model, objective, generator, actor, horizon=h) for h in (1, 12)}
    _, plan = deciding[12].plan(state)
    torch.testing.assert_close(plan.states.vector, model.rollout(state, plan.actions).vector, atol=1e-5, rtol=1e-4)
    times: dict[str, list[float]] = {"cem 1000x12x10": [], "actor, horizon 12": [], "actor, horizon 1": []}
    for _ in range(ROUNDS):
        times["cem 1000x12x10"].append(cpu_ms(searching, state, 1))
        times["actor, horizon 12"].append(cpu_ms(deciding[12], state, 20))
        times["actor, horizon 1"].append(cpu_ms(deciding[1], state, 100))
    medians = {name: median(found) for name, found in times.items()}
    ratios = {name: medians["cem 1000x12x10"] / ms for name, ms in medians.items()}
    with capsys.disabled():
        print("\n| planner | CPU ms | ratio |\n|---|---|---|")
        for name, ms in medians.items():
            print(f"| {name} | {ms:.2f} | {ratios[name]:.0f} |")
    assert math.isfinite(plan.value.item())
    assert ratios["actor, horizon 1"] >= TARGET
