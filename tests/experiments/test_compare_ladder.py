"""The error ladder: planted losses are found and named; probes know what they are fitted to."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

import envs
from experiments.ladder import RUNGS, Floor, Ladder, climb
from experiments.ladder_models import ProbedReward, Rung, ToldModel
from experiments.state_probe import describe, restore
from planners.objective import LearnedReward
from worldmodel.insight.mlp_probe import fit_probe
from worldmodel.interface import State
from worldmodel.simulator import Simulator

FLOOR = Floor(random=0.0, reference=100.0, standard_error=0.5)


def ladder(means: Mapping[Rung, float], noise: float = 1.0, floor: Floor | None = FLOOR) -> Ladder:
    """Episodes differ a lot among each other, but little between rungs."""
    rng = np.random.default_rng(0)
    starts = rng.normal(0, 3, 20)
    returns = {rung: (means[rung] + starts - starts.mean() + rng.normal(0, noise, 20)).tolist() for rung in RUNGS}
    return climb("cem", returns, floor, {})


def planted(planner: float = 0, dynamics: float = 0, reward: float = 0, encoder: float = 0) -> dict[Rung, float]:
    simulator = 100 - planner
    told_true = simulator - dynamics
    told = told_true - reward
    learned = told - encoder
    return {
        "simulator": simulator,
        "told-true-reward": told_true,
        "told": told,
        "true-reward": learned + reward,
        "learned": learned,
    }


@pytest.mark.parametrize("part", ["planner", "dynamics", "reward", "encoder"])
def test_the_part_that_loses_is_named(part: str) -> None:
    found = ladder(planted(**{part: 30.0}))
    name = "reward head" if part == "reward" else part
    assert found.words[0].startswith(f"The {name} loses most of the return: ")
    loss = next(loss for loss in found.losses if loss.part == name)
    assert loss.low < 30 < loss.high
    assert all(abs(other.mean) < 3 for other in found.losses if other is not loss)


def test_losses_add_up_to_what_is_lost_in_all() -> None:
    found = ladder(planted(3, 20, 5, 12))
    total = FLOOR.reference - np.mean(found.returns["learned"])
    assert sum(loss.mean for loss in found.losses) == pytest.approx(total)
    assert "the encoder loses some too" in found.words[0]


def test_little_loss_is_called_little() -> None:
    assert ladder(planted(encoder=1.0)).words[0].startswith("Little is lost")


def test_what_is_uncertain_is_not_claimed() -> None:
    words = ladder(planted(encoder=12.0), noise=60.0).words
    assert "certainly" in words[0]
    assert "play more episodes" in words[0]


def test_a_probe_that_does_worse_than_the_reward_head_is_left_out() -> None:
    found = ladder(planted(dynamics=40, reward=-30, encoder=0))
    assert [loss.part for loss in found.losses] == ["planner", "dynamics and reward head", "encoder"]
    assert found.losses[1].mean == pytest.approx(10, abs=2)
    assert "in place of the reward head" in found.words[-1]


def test_a_told_belief_that_does_worse_than_the_filter_is_left_out() -> None:
    means = planted(dynamics=40, reward=10, encoder=-30)  # learned earns 80, with the true reward 90
    found = ladder(means)
    assert [loss.part for loss in found.losses] == ["planner", "dynamics and encoder", "reward head"]
    assert found.losses[1].mean == pytest.approx(10, abs=2)


def test_without_a_reference_the_planner_is_not_judged() -> None:
    found = ladder(planted(dynamics=30), floor=None)
    assert [loss.part for loss in found.losses] == ["dynamics", "reward head", "encoder"]
    assert "return on the simulator" in found.words[0]
    assert "No reference" in found.words[-1]


def test_poor_probes_are_doubted() -> None:
    returns = {rung: [1.0, 2.0] for rung in RUNGS}
    assert "only 30%" in climb("cem", returns, FLOOR, {"latent of true state": 0.3}).words[-1]


@pytest.mark.parametrize("name", envs.names())
def test_states_survive_their_description_up_to_whole_turns(name: str) -> None:
    task = envs.task(name)
    state = torch.randn(50, len(task.state_names), dtype=torch.float64) * 3
    again = restore(task, describe(task, state))
    torch.testing.assert_close(describe(task, again), describe(task, state))
    if name == "pendulum":
        torch.testing.assert_close(task.reward(again), task.reward(state))


def test_a_probe_learns_a_linear_map_and_says_so() -> None:
    torch.manual_seed(0)
    x = torch.randn(1000, 3)
    y = x @ torch.randn(3, 2) + 5
    held_out = torch.arange(1000) % 5 == 4
    probe, again = fit_probe(x, y, held_out), fit_probe(x, y, held_out)
    assert probe.r2 > 0.99
    assert torch.equal(probe(x), again(x))
    assert fit_probe(x, torch.randn(1000, 2), held_out).r2 < 0.3


def test_with_perfect_probes_told_and_probed_are_the_truth() -> None:
    """The simulator's latent is the true state, so a probe between the two has little to do."""
    torch.manual_seed(0)
    task = envs.task("pendulum")
    simulator = Simulator(task)
    truth = (torch.rand(4000, 2) - 0.5) * torch.tensor([5.0, 8.0])  # far from ±π, where sine and cosine jump back
    held_out = torch.arange(4000) % 5 == 4
    teller = fit_probe(describe(task, truth), truth, held_out)
    reader = fit_probe(truth, describe(task, truth), held_out)
    told = ToldModel(simulator, task, teller).believe(truth[:50].double().numpy())
    torch.testing.assert_close(told.state.deter, truth[:50], atol=0.2, rtol=0)
    states = State(truth[:50], truth[:50, :0])
    probed = ProbedReward(task, reader).reward(states, truth[:50, :1])
    torch.testing.assert_close(probed, LearnedReward(simulator).reward(states, truth[:50, :1]), atol=0.05, rtol=0)
