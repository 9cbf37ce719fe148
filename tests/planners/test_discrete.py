"""Planning with discrete actions: one-hot candidates, probabilities refitted to the elites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from experiments.config import PlannerConfig
from experiments.errors import UserError
from experiments.planning import make_planner
from planners.categorical import gumbel, one_hot
from planners.gradient import GradientPlanner
from planners.ilqr import ILQR
from planners.objective import LearnedReward
from planners.predict import predict
from planners.random_policy import RandomPolicy
from planners.sampling import SamplingPlanner, cem, icem, mppi, random_shooting, tdmpc
from tests.planners import toys
from worldmodel.interface import State

FACTORIES = [random_shooting, cem, icem, mppi, tdmpc]
every_factory = pytest.mark.parametrize("factory", FACTORIES)
CODE = [2, 0, 3, 1, 1, 2]  # what has to be pressed, in this order
START = toys.latents((0.0, 0.0), (0.0, 0.0))


def lock() -> toys.Toy:
    """The first latent counts steps, the second says whether the last key was the right one: reward one for each."""
    right = torch.eye(4, dtype=torch.float64)[[*CODE, *[0] * 20]]

    def press(latent: Tensor, action: Tensor) -> Tensor:
        time = latent[..., 0]
        hit = (right[time.long()].to(action.dtype) * action).sum(-1)
        return torch.stack([time + 1, hit], dim=-1)

    return toys.Toy(press, lambda latent: latent[..., 1], action=4, discrete=True)


def two_arms() -> toys.Toy:
    """The left arm pays 1 at every pull; the right one 0.4 times how often it was pulled in succession. Over six steps
    the right one earns 8.4, the left one 6, and every mixture less than the right one.
    """

    def pull(latent: Tensor, action: Tensor) -> Tensor:
        right = action[..., 1]
        return torch.stack([(latent[..., 0] + 1) * right, action[..., 0]], dim=-1)

    return toys.Toy(pull, lambda latent: latent[..., 1] + 0.4 * latent[..., 0], action=2, discrete=True)


def planner(factory: Any, toy: toys.Toy, seed: int = 0, **fields: Any) -> SamplingPlanner:
    numbers = {"horizon": 6, "candidates": 400} | ({"elites": 40} if factory in (cem, icem, tdmpc) else {}) | fields
    return factory(toy, LearnedReward(toy), Generator().manual_seed(seed), **numbers)


def assert_one_hot(actions: Tensor) -> None:
    assert ((actions == 0) | (actions == 1)).all()
    assert (actions.sum(-1) == 1).all()


@every_factory
@pytest.mark.parametrize("toy", [lock(), two_arms()], ids=["lock", "two_arms"])
def test_candidates_and_plans_are_one_hot_and_the_value_is_theirs(factory: Any, toy: toys.Toy) -> None:
    p = planner(factory, toy, record=True)
    action, plan = p.plan(START)
    for _ in range(2):
        assert_one_hot(plan.actions)
        assert_one_hot(plan.trace["candidates"][~plan.trace["candidates"].isnan().any(-1)])
        assert torch.equal(action, plan.actions[:, 0])
        states, value = predict(toy, LearnedReward(toy), START, plan.actions)
        torch.testing.assert_close(plan.value, value)
        torch.testing.assert_close(plan.states.vector, states.vector)
        action, plan = p.plan(START, plan)


@pytest.mark.parametrize("factory", [cem, icem, mppi, tdmpc])
def test_the_code_is_found(factory: Any) -> None:
    """One of 4096 sequences, and an iteration draws 400: luck alone does not do it."""
    _, plan = planner(factory, lock(), iterations=8).plan(START)
    assert plan.actions[0].argmax(-1).tolist() == CODE
    assert (plan.value == 6).all()


@every_factory
def test_the_arm_that_pays_later_is_pulled(factory: Any) -> None:
    _, plan = planner(factory, two_arms()).plan(START)
    assert (plan.actions[..., 1] == 1).all()
    torch.testing.assert_close(plan.value, torch.full_like(plan.value, 8.4))


def test_probabilities_are_the_shares_of_the_elites_and_never_zero() -> None:
    _, plan = planner(cem, lock(), iterations=1, record=True).plan(START)
    shares = plan.trace["elites"][0].mean(1)
    assert plan.carried is not None
    torch.testing.assert_close(plan.carried[:, 0], 0.95 * shares + 0.05 / 4)
    held = planner(cem, lock(), iterations=1, momentum=0.75).plan(START)[1].carried
    assert held is not None
    torch.testing.assert_close(held[:, 0], 0.95 * (0.25 * shares + 0.75 / 4) + 0.05 / 4)


@pytest.mark.parametrize("factory", [cem, icem, mppi])
def test_a_warm_start_goes_on_and_stays_open(factory: Any) -> None:
    p = planner(factory, lock(), iterations=8)
    _, plan = p.plan(START)
    state = plan.states.map(lambda x: x[:, 0])
    _, few = planner(factory, lock(), iterations=2, candidates=80, **elites(factory)).plan(state, plan)
    assert few.actions[0, :5].argmax(-1).tolist() == CODE[1:]
    _, other = p.plan(START, plan)  # the same lock again: the shifted plan is wrong, and must not be stuck to
    assert other.actions[0].argmax(-1).tolist() == CODE


def elites(factory: Any) -> dict[str, int]:
    return {} if factory is mppi else {"elites": 8}


def test_a_batch_of_two_is_two_of_one() -> None:
    start = toys.latents((0.0, 0.0), (2.0, 0.0))
    _, both = planner(cem, lock()).plan(start)
    for i in range(2):
        _, one = planner(cem, lock()).plan(start.map(lambda x, i=i: x[i : i + 1]))
        assert torch.equal(one.actions[0], both.actions[i])


@every_factory
def test_where_everything_is_poisoned_the_plan_is_still_one_hot(factory: Any) -> None:
    toy = toys.Toy(lock().transition, lambda latent: latent[..., 0] * torch.nan, action=4, discrete=True)
    p = planner(factory, toy)
    _, plan = p.plan(START)
    assert_one_hot(plan.actions)
    assert plan.value.isnan().all()
    assert plan.trace["nonfinite"][:, 0].tolist() == p.populations


def test_gumbel_noise_samples_the_probabilities() -> None:
    probabilities = torch.tensor([0.7, 0.25, 0.05])
    noise = gumbel((20000, 1, 3), Generator().manual_seed(0), torch.float32)
    assert noise.isfinite().all()
    torch.testing.assert_close(one_hot(probabilities.log() + noise).mean((0, 1)), probabilities, atol=0.01, rtol=0)


@pytest.mark.parametrize("make", [ILQR, GradientPlanner])
def test_planners_that_follow_slopes_refuse(make: Any) -> None:
    with pytest.raises(
        ValueError, match="actions must be continuous, for it follows slopes; this model's are discrete"
    ):
        make(lock(), LearnedReward(lock()), Generator())


def test_by_name() -> None:
    toy, generator = lock(), Generator().manual_seed(0)
    preset = PlannerConfig("cem", 6, 4, 150, 15, colour=1.5)
    action, _ = make_planner(preset, toy, LearnedReward(toy), generator).plan(START)
    assert_one_hot(action)
    with pytest.raises(UserError, match=r"planner ilqr cannot be set up so.*continuous.*take a planner such as cem"):
        make_planner(PlannerConfig("ilqr"), toy, LearnedReward(toy), generator)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_random_choices_are_all_alike_and_repeated_as_often_as_asked(correlation: float) -> None:
    policy, plan, actions = RandomPolicy(3, Generator().manual_seed(0), correlation, discrete=True), None, []
    empty = State(torch.zeros(500, 0), torch.zeros(500, 0))
    for _ in range(40):
        action, plan = policy.plan(empty, plan)
        actions.append(action)
    taken = torch.stack(actions)
    assert_one_hot(taken)
    torch.testing.assert_close(taken.mean((0, 1)), torch.full((3,), 1 / 3), atol=0.02, rtol=0)
    repeated = (taken[1:] == taken[:-1]).all(-1).float().mean().item()
    assert repeated == pytest.approx(correlation + (1 - correlation) / 3, abs=0.02)


def test_exploring_replaces_some_actions_by_others() -> None:
    from planners.episode import _explored

    action = one_hot(torch.tensor([[1.0, 0.0, 0.0]])).expand(3000, -1)
    std = np.repeat(np.array([0.0, 0.5, 1.0], dtype=np.float32), 1000)
    explored = _explored(action, std, Generator().manual_seed(0), discrete=True)
    assert_one_hot(explored)
    kept = explored[:, 0].unflatten(0, (3, 1000)).mean(1)
    torch.testing.assert_close(kept, torch.tensor([1.0, 0.5 + 0.5 / 3, 1 / 3]), atol=0.05, rtol=0)
