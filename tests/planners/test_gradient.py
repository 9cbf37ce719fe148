"""The gradient planner on toys with known answers."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from planners.gradient import GradientPlanner
from planners.objective import ControlPenalty, LearnedReward, Sum
from planners.predict import predict
from tests.planners import toys


def planner(toy: toys.Toy, **fields: object) -> GradientPlanner:
    objective = Sum((LearnedReward(toy), ControlPenalty(toys.POINT_PENALTY)), (1.0, 1.0))
    return GradientPlanner(toy, objective, Generator().manual_seed(0), **({"horizon": 8} | fields))


def test_finds_the_known_optimum() -> None:
    state = toys.latents((0.5, 0.0), (-0.3, 0.2))
    _, plan = planner(toys.point_mass(), iterations=300, starts=2, learning_rate=0.03).plan(state)
    actions, value = toys.point_mass_optimum(state, 8)
    torch.testing.assert_close(plan.actions, actions, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(plan.value, value, rtol=1e-6, atol=1e-6)


def test_the_first_step_is_adams() -> None:
    """Its size is the learning rate, whatever the slope; the second evaluation sees it, and the better one is kept."""
    state = toys.latents((0.4, 0.0))
    p = planner(toys.point_mass(), iterations=2, starts=1)
    _, plan = p.plan(state)
    torch.testing.assert_close(plan.actions, torch.full_like(plan.actions, -0.1), rtol=1e-5, atol=1e-5)
    assert plan.trace["best"].shape == (2, 1)
    assert plan.value == plan.trace["best"][1]


def test_several_starts_find_the_better_basin() -> None:
    state = toys.latents((0.0, 0.0))
    _, one = planner(toys.two_basins(), starts=1).plan(state)
    _, several = planner(toys.two_basins(), starts=6).plan(state)
    assert one.states.deter[0, -1, 0] == pytest.approx(toys.NEAR, abs=0.1)
    assert several.states.deter[0, -1, 0] == pytest.approx(toys.FAR, abs=0.1)


def test_the_best_visited_is_returned_even_when_the_last_is_worse() -> None:
    _, plan = planner(toys.two_basins(), starts=1, learning_rate=1.5, iterations=15).plan(toys.latents((0.0, 0.0)))
    assert plan.trace["best"][-1] < plan.trace["best"].max()
    torch.testing.assert_close(plan.value, plan.trace["best"].max(dim=0).values)


def test_actions_stay_in_the_box_and_reach_it() -> None:
    slope = toys.Toy(toys.point_mass().transition, lambda z: z[..., 0])
    objective = LearnedReward(slope)
    p = GradientPlanner(slope, objective, Generator(), horizon=4, starts=1)
    _, plan = p.plan(toys.latents((0.0, 0.0)))
    assert (plan.actions == 1).all()


def test_parameters_get_no_gradient_with_or_without_grad_mode() -> None:
    weight = nn.Parameter(torch.full((1, 2), 0.3, dtype=torch.float64))
    toy = toys.Toy(lambda z, a: 0.9 * z + a @ weight, lambda z: -((z - 0.5) ** 2).sum(-1))
    state, found = toys.latents((0.1, 0.0)), []
    for mode in (torch.enable_grad, torch.no_grad):
        with mode():
            action, plan = planner(toy, starts=1).plan(state)
        assert weight.grad is None
        assert not action.requires_grad
        assert not plan.value.requires_grad
        assert not plan.states.vector.requires_grad
        found.append(plan.actions)
    assert torch.equal(*found)
    assert found[0].any()


def test_nan_never_wins_and_is_counted() -> None:
    _, plan = planner(toys.poisoned(), starts=8).plan(toys.latents((0.0, 0.0)))
    assert plan.value.isfinite().all()
    assert plan.trace["nonfinite"].sum() > 0
    _, hopeless = planner(toys.all_poisoned()).plan(toys.latents((0.0, 0.0)))
    assert hopeless.value.isnan().all()
    assert hopeless.actions.isfinite().all()


def test_what_does_not_depend_on_the_actions_is_left_alone() -> None:
    weight = nn.Parameter(torch.ones((), dtype=torch.float64))
    deaf = toys.Toy(lambda z, a: z * weight, lambda z: z[..., 0])
    constant = toys.Toy(lambda z, a: z, lambda z: torch.zeros_like(z[..., 0]))
    for toy in (deaf, constant):
        p = GradientPlanner(toy, LearnedReward(toy), Generator(), horizon=3, starts=1)
        assert not p.plan(toys.latents((0.2, 0.0)))[1].actions.any()


def test_warm_start_continues_the_previous_plan() -> None:
    state = toys.latents((0.5, 0.0))
    p = planner(toys.point_mass(), iterations=1, starts=1)
    _, previous = planner(toys.point_mass(), iterations=200, starts=1).plan(state)
    _, warm = p.plan(previous.states.map(lambda x: x[:, 0]), previous)
    assert torch.equal(warm.actions[:, :-1], previous.actions[:, 1:])
    assert torch.equal(warm.actions[:, -1], previous.actions[:, -1])


def test_discount_and_prediction() -> None:
    p = planner(toys.cliff(), discount=0.7)
    _, plan = p.plan(toys.latents((0.3, 0.0)))
    states, value = predict(p.model, p.objective, toys.latents((0.3, 0.0)), plan.actions, 0.7)
    assert torch.equal(plan.value, value)
    assert torch.equal(plan.states.vector, states.vector)


def test_single_precision() -> None:
    _, plan = planner(toys.point_mass()).plan(toys.latents((0.5, 0.0), dtype=torch.float32))
    assert plan.actions.dtype == plan.value.dtype == torch.float32


def test_budget_counts_what_is_run() -> None:
    steps = []

    def counted(z: Tensor, a: Tensor) -> Tensor:
        steps.append(a[..., 0].numel())
        return toys.point_mass().transition(z, a)

    p = planner(toys.Toy(counted, toys.point_mass().reward_of), iterations=5, starts=3)
    p.plan(toys.latents((0.1, 0.0)))
    assert sum(steps) == 8 * (3 * 5 + 1)
    assert p.model_steps == sum(steps) + 2 * 8 * 3 * 4  # a backward pass counts as two
    assert p.with_budget(p.model_steps) == p
    assert p.with_budget(p.model_steps - 1).iterations == 4
    with pytest.raises(ValueError, match="20 model steps are too few: the smallest search takes 32"):
        p.with_budget(20)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("horizon", 0, "horizon must be at least 1; got 0"),
        ("iterations", 0, "iterations must be at least 1; got 0"),
        ("starts", 0, "starts must be at least 1; got 0"),
        ("learning_rate", 0.0, "learning_rate must be positive; got 0"),
        ("discount", 0.0, r"discount must be in \(0, 1\]; got 0"),
    ],
)
def test_bad_numbers_are_named(field: str, value: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        planner(toys.point_mass(), **{field: value})
