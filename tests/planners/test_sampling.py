from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from planners.interface import Plan
from planners.objective import ControlPenalty, LearnedReward, Sum
from planners.predict import predict
from planners.sampling import SamplingPlanner, cem, icem, mppi, random_shooting, tdmpc
from tests.planners import toys
from worldmodel.interface import State

ORIGIN = toys.latents((0.0, 0.0))
FACTORIES = [random_shooting, cem, icem, mppi, tdmpc]
every_factory = pytest.mark.parametrize("factory", FACTORIES)


def small(factory: Any, toy: toys.Toy, seed: int = 0, **fields: Any) -> SamplingPlanner:
    numbers = {"horizon": 6, "candidates": 100} | ({"elites": 10} if factory in (cem, icem, tdmpc) else {}) | fields
    return factory(toy, LearnedReward(toy), Generator().manual_seed(seed), **numbers)


class Counting(toys.Toy):
    """A toy that counts prior steps."""

    steps = 0

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        Counting.steps += actions[..., 0].numel()
        return super().rollout(state, actions, noise)


@every_factory
def test_model_steps_are_those_that_are_taken(factory: Any) -> None:
    toy = toys.two_basins()
    planner = small(factory, Counting(toy.transition, toy.reward_of))
    Counting.steps = 0
    _, plan = planner.plan(toys.latents((0.0, 0.0), (0.1, 0.0)))
    assert Counting.steps == 2 * planner.model_steps
    planner.plan(toys.latents((0.0, 0.0), (0.1, 0.0)), plan)
    assert Counting.steps == 4 * planner.model_steps, "a warm start must not cost extra"


@every_factory
@pytest.mark.parametrize("budget", [900, 5000, 77777])
def test_a_budget_is_used_up_and_not_overdrawn(factory: Any, budget: int) -> None:
    planner = small(factory, toys.two_basins())
    fitted = planner.with_budget(budget)
    assert 0.9 * budget < fitted.model_steps <= budget
    assert fitted.elites / fitted.candidates == pytest.approx(planner.elites / planner.candidates, abs=0.03)
    assert fitted.iterations == planner.iterations


def test_a_budget_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="20 model steps are too few: the smallest search takes 72"):
        small(cem, toys.two_basins()).with_budget(20)


@every_factory
def test_the_better_basin_is_found_from_zero(factory: Any) -> None:
    toy = toys.two_basins()
    _, plan = small(factory, toy, candidates=500).plan(ORIGIN)
    assert plan.states.deter[0, -1, 0].item() == pytest.approx(toys.FAR, abs=0.3)


def test_a_plan_that_knows_of_the_cliff_stops_before_it_and_a_blind_one_does_not() -> None:
    toy = toys.cliff()
    _, seeing = small(cem, toy).plan(ORIGIN)
    blind = toys.Toy(toy.transition, toy.reward_of)
    _, falling = small(cem, blind).plan(ORIGIN)
    assert (seeing.states.deter[0, :-1] < toys.EDGE).all()
    assert falling.states.deter[0, -1, 0].item() == pytest.approx(1.5, abs=0.05)


@every_factory
def test_poisoned_candidates_are_counted(factory: Any) -> None:
    _, plan = small(factory, toys.poisoned(), record=True).plan(ORIGIN)
    first = plan.trace["candidates"][0, 0].cumsum(1)[..., 0] / 4
    poisoned = ((first < -0.2) | (first > 0.9)).any(-1).sum()
    assert plan.trace["nonfinite"][0, 0] == poisoned > 0
    assert torch.isfinite(plan.value).all()
    assert torch.isfinite(plan.trace["best"]).all()


@every_factory
def test_where_everything_is_poisoned_the_start_is_kept_and_the_count_says_so(factory: Any) -> None:
    planner = small(factory, toys.all_poisoned())
    _, plan = planner.plan(ORIGIN)
    assert (plan.actions == 0).all()
    assert torch.isnan(plan.value).all(), "no value is known, so none may be claimed"
    assert plan.trace["nonfinite"][:, 0].tolist() == planner.populations
    assert torch.isneginf(plan.trace["best"]).all()


@every_factory
def test_where_everything_is_poisoned_a_warm_start_is_followed(factory: Any) -> None:
    planner = small(factory, toys.all_poisoned(), warm_start=True)
    actions = torch.linspace(0.1, 0.6, 6, dtype=torch.float64)[None, :, None]
    previous = Plan(actions, ORIGIN, torch.zeros(1, dtype=torch.float64), {})
    _, plan = planner.plan(ORIGIN, previous)
    shifted = torch.cat([actions[:, 1:], actions[:, -1:]], dim=1)
    torch.testing.assert_close(plan.actions, shifted)
    assert plan.carried is not None
    torch.testing.assert_close(plan.carried[:, 0], shifted)


def test_a_poisoned_environment_does_not_harm_its_neighbour() -> None:
    toy = toys.poisoned()
    _, both = small(cem, toy).plan(toys.latents((0.0, 0.0), (-5.0, 0.0)))
    _, alone = small(cem, toy).plan(ORIGIN)
    torch.testing.assert_close(both.actions[:1], alone.actions)
    assert (both.actions[1] == 0).all()


def test_a_mean_that_falls_between_the_elites_into_poison_is_not_executed() -> None:
    def reward(latent: Tensor) -> Tensor:  # good on both sides, NaN in between
        x = latent[..., 0]
        return torch.where(x.abs() < 0.05, torch.nan, x.abs())

    toy = toys.Toy(toys.two_basins().transition, reward)
    _, plan = small(cem, toy, horizon=1, iterations=1, candidates=1000, elites=300).plan(ORIGIN)
    assert torch.isfinite(plan.value).all()
    assert plan.value.item() > 0.2


@pytest.mark.parametrize("factory", [icem, cem, mppi])
def test_with_the_best_returned_a_plan_is_never_worse_than_its_warm_start(factory: Any) -> None:
    toy = toys.two_basins()
    planner = small(factory, toy, return_best=True, candidates=40, std=2.0)
    state, plan = ORIGIN, None
    for _ in range(6):
        action, plan = planner.plan(state, plan)
        shifted = torch.cat([plan.actions[:, 1:], plan.actions[:, -1:]], dim=1)
        state = toy.step(state, action)
        _, before = predict(toy, LearnedReward(toy), state, shifted)
        _, following = planner.plan(state, plan)
        assert following.value.item() >= before.item() - 1e-9


def test_an_icem_plan_carries_its_mean_its_actions_and_its_elites() -> None:
    toy = toys.two_basins()
    planner = small(icem, toy, record=True)
    _, plan = planner.plan(ORIGIN)
    assert plan.carried is not None
    assert plan.carried.shape == (1, 1 + 1 + 3, 6, 1)
    torch.testing.assert_close(plan.carried[:, 1], plan.actions)
    _, following = planner.plan(ORIGIN, plan)
    tried_first = following.trace["candidates"][0, 0]
    shifted = torch.cat([plan.carried[0, 1:, 1:], plan.carried[0, 1:, -1:]], dim=1)
    torch.testing.assert_close(tried_first[-4:], shifted)


def test_icem_populations_shrink_to_twice_the_elites() -> None:
    planner = small(icem, toys.two_basins(), candidates=40, iterations=5, elites=10, record=True)
    assert planner.populations == [40, 32, 25, 20, 20]
    _, plan = planner.plan(ORIGIN)
    candidates = plan.trace["candidates"]
    assert candidates.shape == (5, 1, 40, 6, 1)
    assert torch.isnan(candidates[1, 0, 32:]).all()
    assert torch.isfinite(candidates[1, 0, :32]).all()
    assert plan.trace["elites"].shape == (5, 1, 10, 6, 1)
    assert (plan.trace["nonfinite"] == 0).all()


def test_icem_tries_the_mean_in_the_last_iteration_and_elites_again_in_the_next() -> None:
    _, plan = small(icem, toys.two_basins(), record=True, iterations=2, momentum=0.0).plan(ORIGIN)
    last, elites = plan.trace["candidates"][1, 0], plan.trace["elites"][0, 0]
    last = last[torch.isfinite(last[:, 0, 0])]
    torch.testing.assert_close(last[-4:-1], elites[:3])
    torch.testing.assert_close(last[-1], elites.mean(0))


def test_cem_refits_to_its_elites() -> None:
    _, plan = small(cem, toys.two_basins(), iterations=1, record=True).plan(ORIGIN)
    torch.testing.assert_close(plan.actions[0], plan.trace["elites"][0, 0].mean(0))
    _, values = predict(
        toys.two_basins(),
        LearnedReward(toys.two_basins()),
        ORIGIN.map(lambda x: x.expand(100, -1)),
        plan.trace["candidates"][0, 0],
    )
    assert plan.trace["best"].item() == pytest.approx(values.max().item())
    assert plan.trace["mean"].item() == pytest.approx(values.mean().item())
    assert plan.trace["spread"].item() == pytest.approx(values.std(correction=0).item())


def test_mppi_is_the_softmax_of_returns() -> None:
    toy = toys.two_basins()
    _, plan = small(mppi, toy, iterations=1, smoothing=1, temperature=2.0, record=True).plan(ORIGIN)
    candidates = plan.trace["candidates"][0, 0]
    _, values = predict(toy, LearnedReward(toy), ORIGIN.map(lambda x: x.expand(100, -1)), candidates)
    expected = (torch.softmax(values / 2.0, 0)[:, None, None] * candidates).sum(0)
    torch.testing.assert_close(plan.actions[0], expected)


def test_random_shooting_executes_the_best_it_saw() -> None:
    toy = toys.two_basins()
    _, plan = small(random_shooting, toy, record=True).plan(ORIGIN)
    assert plan.value.item() == pytest.approx(plan.trace["best"].item())
    torch.testing.assert_close(plan.actions[0], plan.trace["elites"][0, 0, 0])


def test_momentum_and_the_least_std_hold_the_distribution_back() -> None:
    toy = toys.point_mass()
    free = small(cem, toy, iterations=1).plan(toys.latents((0.5, 0.0)))[1].actions
    held = small(cem, toy, iterations=1, momentum=0.75).plan(toys.latents((0.5, 0.0)))[1].actions
    torch.testing.assert_close(held, 0.25 * free)
    wide = small(cem, toy, iterations=8, min_std=0.5, record=True).plan(toys.latents((0.5, 0.0)))[1]
    narrow = small(cem, toy, iterations=8, record=True).plan(toys.latents((0.5, 0.0)))[1]
    assert wide.trace["candidates"][-1].std(1).mean() > 0.35
    assert narrow.trace["candidates"][-1].std(1).mean() < 0.1


def test_the_discount_prefers_what_comes_early() -> None:
    def reward(latent: Tensor) -> Tensor:  # a little at once, or twice as much after four steps to the left
        x = latent[..., 0]
        return torch.where(x > 0.1, 1.0, 0.0) + torch.where(x < -0.8, 6.0, 0.0)

    toy = toys.Toy(toys.two_basins().transition, reward)
    _, patient = small(cem, toy, candidates=1000).plan(ORIGIN)
    _, hasty = small(cem, toy, candidates=1000, discount=0.3).plan(ORIGIN)
    assert patient.actions[0, 0, 0] < 0 < hasty.actions[0, 0, 0]


def test_a_plan_of_another_planner_is_a_warm_start_too() -> None:
    toy = toys.two_basins()
    actions = torch.full((1, 6, 1), -0.5, dtype=torch.float64)
    states, value = predict(toy, LearnedReward(toy), ORIGIN, actions)
    _, plan = small(cem, toy, std=1e-6).plan(ORIGIN, Plan(actions, states, value, {}))
    torch.testing.assert_close(plan.actions, actions, atol=1e-4, rtol=0)


def test_a_plan_for_another_batch_or_horizon_is_refused() -> None:
    toy = toys.two_basins()
    _, plan = small(cem, toy).plan(ORIGIN)
    with pytest.raises(ValueError, match=r"\(2, 6, 1\); one of \(1, 6, 1\) came"):
        small(cem, toy).plan(toys.latents((0.0, 0.0), (1.0, 0.0)), plan)


def test_it_plans_in_single_precision_and_under_inference_mode() -> None:
    toy = toys.point_mass()
    objective = Sum((LearnedReward(toy), ControlPenalty(0.1)), (1.0, 1.0))
    planner = cem(toy, objective, Generator().manual_seed(0), horizon=4, candidates=50, elites=5)
    with torch.inference_mode():
        action, plan = planner.plan(toys.latents((0.5, 0.0), dtype=torch.float32))
        planner.plan(toys.latents((0.5, 0.0), dtype=torch.float32), plan)
    assert action.dtype == plan.value.dtype == torch.float32


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"horizon": 0}, "horizon must be at least 1; got 0"),
        ({"elites": 101}, "candidates must be at least elites"),
        ({"elites": 60, "decay": 1.2}, "at least twice the 60 elites; got 100"),
        ({"decay": 0.5}, "decay must be at least 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"std": -1.0}, "std must be positive"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
        ({"keep": 2.0}, "keep is a share"),
        ({"discount": 0.0}, "discount must be in"),
        ({"smoothing": 4}, "odd window"),
        ({"std": math.nan}, "std must be positive"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(small(cem, toys.two_basins()), **fields)
