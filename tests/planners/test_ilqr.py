"""iLQR against closed forms: dense solutions, bounded quadratic programs, gradients by finite differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Generator, Tensor

from planners.closed_loop import closed_loop, path_value
from planners.ilqr import ILQR
from planners.objective import ControlPenalty, GoalState, LearnedReward, Sum, ones_like
from planners.predict import predict
from tests.planners import toys
from worldmodel.interface import State

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


def planner(toy: toys.Toy, **fields: object) -> ILQR:
    objective = Sum((LearnedReward(toy), ControlPenalty(toys.POINT_PENALTY)), (1.0, 1.0))
    return ILQR(toy, objective, Generator().manual_seed(0), **({"horizon": 10} | fields))


def pusher(action: int = 2, seed: int = 0) -> toys.Toy:
    """A random stable linear system with a quadratic reward: latent 4, several actions."""
    generator = Generator().manual_seed(seed)
    A = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    A = A / torch.linalg.matrix_norm(A, ord=2)
    B = torch.randn(action, 4, generator=generator, dtype=torch.float64)
    return toys.Toy(lambda z, a: z @ A.T + a @ B, lambda z: -(z**2).sum(-1), latent=4, action=action)


def random_system(latent: int, action: int, seed: int) -> toys.Toy:
    """Linear and stable, the reward a random negative quadratic with a slope."""
    generator = Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    A, B, root, slope = draw(latent, latent), draw(latent, action), draw(latent, latent), draw(latent)
    A, Q = A / torch.linalg.matrix_norm(A, ord=2), root @ root.T / latent
    return toys.Toy(
        lambda z, a: z @ A.T + a @ B.T, lambda z: -((z @ Q) * z).sum(-1) + z @ slope, latent=latent, action=action
    )


def bounded_optimum(p: ILQR, state: State) -> np.ndarray:
    """Of a linear model and a quadratic reward: condensed to a QP in the stacked actions, solved by scipy."""
    shape = (p.horizon, p.model.sizes.action)
    size = shape[0] * shape[1]

    def value(flat: Tensor) -> Tensor:
        return predict(p.model, p.objective, state, flat.reshape(1, *shape), p.discount)[1][0]

    nothing = torch.zeros(size, dtype=torch.float64)
    hessian = -torch.autograd.functional.hessian(value, nothing).numpy()
    slope = -torch.autograd.functional.jacobian(value, nothing).numpy()
    root = np.linalg.cholesky(hessian).T
    solved = scipy.optimize.lsq_linear(root, np.linalg.solve(root.T, -slope), (-1, 1), method="bvls", tol=1e-14)
    return solved.x.reshape(shape)


def test_one_iteration_solves_a_linear_quadratic_problem() -> None:
    state = toys.latents((0.5, 0.0), (-0.3, 0.2))
    _, plan = planner(toys.point_mass(), iterations=1).plan(state)
    actions, value = toys.point_mass_optimum(state, 10)
    torch.testing.assert_close(plan.actions, actions, **CLOSE)
    torch.testing.assert_close(plan.value, value, **CLOSE)


@pytest.mark.parametrize(("horizon", "latent", "action"), [(1, 1, 1), (12, 3, 2), (50, 2, 1), (20, 16, 4)])
def test_random_linear_systems_are_solved_in_one_iteration(horizon: int, latent: int, action: int) -> None:
    """Against scipy's dense solution; starts small enough, or control dear enough, that no limit is active."""
    toy = random_system(latent, action, seed=horizon)
    p = replace(
        planner(toy, horizon=horizon, iterations=1), objective=Sum((LearnedReward(toy), ControlPenalty(50.0)), (1, 1))
    )
    state = toy.state(torch.randn(1, latent, generator=Generator().manual_seed(1), dtype=torch.float64))
    _, plan = p.plan(state)
    expected = torch.from_numpy(bounded_optimum(p, state))[None]
    assert (expected.abs() < 1).all()
    assert (expected.abs() > 1e-3).any()
    torch.testing.assert_close(plan.actions, expected, **CLOSE)


@pytest.mark.parametrize("discount", [1.0, 0.8])
@pytest.mark.parametrize("action", [1, 2, 3])
def test_active_limits_give_the_bounded_optimum(action: int, discount: float) -> None:
    state = State(torch.tensor([[8.0]]).double(), torch.tensor([[-12.0, 8.0, 4.0]]).double())
    p = planner(pusher(action), horizon=8, iterations=50, tolerance=1e-10, discount=discount)
    _, plan = p.plan(state)
    expected = torch.from_numpy(bounded_optimum(p, state))[None]
    assert (expected.abs() == 1).any(), "no limit is active: nothing is tested"
    torch.testing.assert_close(plan.actions, expected, rtol=1e-7, atol=1e-7)


def test_the_terminal_value_counts() -> None:
    @dataclass(frozen=True)
    class Ends(ControlPenalty):
        def terminal(self, state: State) -> Tensor:
            return -10 * (state.vector[..., 0] - 1) ** 2

    p = replace(planner(toys.point_mass(), iterations=2, horizon=6, discount=0.9), objective=Ends(0.1))
    state = toys.latents((0.9, 0.0))
    _, plan = p.plan(state)
    torch.testing.assert_close(plan.actions[0], torch.from_numpy(bounded_optimum(p, state)), rtol=1e-7, atol=1e-7)


def test_a_nonlinear_problem_improves_steadily_to_a_stationary_point() -> None:
    p = planner(toys.pendulum(), horizon=15, iterations=30, tolerance=1e-8)
    state = toys.latents((1.0, 0.0), (-2.0, 0.5))
    _, plan = p.plan(state)
    assert (plan.trace["best"].diff(dim=0) >= 0).all()
    assert len(plan.trace["best"]) < 30, "did not converge"
    assert (plan.trace["best"][-1] > plan.trace["best"][0]).all()
    actions = plan.actions.clone().requires_grad_()
    (slope,) = torch.autograd.grad(predict(p.model, p.objective, state, actions)[1].sum(), actions)
    inside = actions.detach().abs() < 1
    assert inside.any()
    assert (slope[inside].abs() < 1e-6).all()
    assert (slope[~inside] * actions.detach()[~inside] > 0).all()


def test_several_starts_find_the_better_basin() -> None:
    state = toys.latents((0.0, 0.0))
    _, one = planner(toys.two_basins(), starts=1).plan(state)
    _, several = planner(toys.two_basins(), starts=6).plan(state)
    assert one.states.deter[0, -1, 0] == pytest.approx(toys.NEAR, abs=0.05)
    assert several.states.deter[0, -1, 0] == pytest.approx(toys.FAR, abs=0.05)
    assert several.value > 2 * one.value


def test_the_first_start_is_the_previous_plan_shifted() -> None:
    state = toys.latents((-0.6, 0.0))  # as far as one step of the last plan has led towards the far hill
    _, far = planner(toys.two_basins(), starts=6).plan(toys.latents((0.0, 0.0)))
    _, plan = planner(toys.two_basins(), iterations=1).plan(state, far)
    assert plan.states.deter[0, -1, 0] < -0.6
    cold, warm = (planner(toys.pendulum(), iterations=1) for _ in range(2))
    _, first = planner(toys.pendulum(), iterations=20).plan(toys.latents((1.0, 0.0)))
    after = first.states.map(lambda x: x[:, 0])
    assert warm.plan(after, first)[1].value > cold.plan(after)[1].value


def test_survival_is_part_of_the_value() -> None:
    """Beyond the edge of the cliff nothing is earned; the slope of survival outweighs that of the reward."""
    p = planner(toys.cliff(), horizon=8, iterations=20)
    _, plan = p.plan(toys.latents((0.5, 0.0)))
    blind = replace(p, objective=Sum((Blind(toys.cliff()), ControlPenalty(toys.POINT_PENALTY)), (1.0, 1.0)))
    _, walks_on = blind.plan(toys.latents((0.5, 0.0)))
    assert (walks_on.states.deter[0, :-1] > toys.EDGE).any()
    assert (plan.states.deter[0, :-1] < toys.EDGE).all()
    assert plan.value > 3


@dataclass(frozen=True)
class Blind(LearnedReward):
    def continues(self, states: State) -> Tensor:
        return ones_like(states)


def test_line_search_and_predict_agree_on_the_value() -> None:
    toy = toys.cliff()
    objective = Sum((LearnedReward(toy), ControlPenalty(0.1)), (1.0, 1.0))
    actions = torch.rand(2, 3, 5, 1, generator=Generator().manual_seed(0), dtype=torch.float64)
    begin = toys.latents((0.1, 0.0), (0.3, 0.0)).map(lambda x: x[:, None].expand(-1, 3, -1))
    reference, gains = torch.zeros(2, 5, 2).double(), torch.zeros(2, 5, 1, 2).double()
    states, taken = closed_loop(toy, begin, reference, actions, gains)
    expected_states, expected = predict(toy, objective, begin, actions, 0.9)
    assert torch.equal(taken, actions)
    assert torch.equal(states.vector, expected_states.vector)
    assert torch.equal(path_value(objective, states, taken, 0.9), expected)


def test_one_goal_per_environment() -> None:
    goals = torch.tensor([[0.2, 0.0], [-0.2, 0.0]], dtype=torch.float64)
    p = replace(planner(toys.point_mass(), starts=3, horizon=20, iterations=3), objective=GoalState(goals))
    _, plan = p.plan(toys.latents((0.0, 0.0), (0.0, 0.0)))
    torch.testing.assert_close(plan.actions[0], -plan.actions[1], rtol=1e-5, atol=1e-5)
    assert plan.states.deter[0, -1, 0] == pytest.approx(0.2, abs=0.02)


def test_nan_never_wins_and_is_counted() -> None:
    p = planner(toys.poisoned(), starts=8, horizon=8)
    _, plan = p.plan(toys.latents((0.0, 0.0)))
    assert plan.value.isfinite().all()
    assert plan.trace["nonfinite"].sum() > 0
    _, hopeless = planner(toys.all_poisoned()).plan(toys.latents((0.0, 0.0)))
    assert hopeless.value.isnan().all()
    assert hopeless.actions.isfinite().all()


def test_a_flat_reward_leaves_the_actions_alone() -> None:
    flat = toys.Toy(toys.point_mass().transition, lambda z: 0 * z[..., 0])
    for objective in (LearnedReward(flat), ControlPenalty(0.0)):
        _, plan = ILQR(flat, objective, Generator(), horizon=5).plan(toys.latents((0.5, 0.0)))
        assert not plan.actions.any()


def test_a_reward_without_curvature_is_driven_to_the_limit() -> None:
    slope = toys.Toy(toys.point_mass().transition, lambda z: z[..., 0])
    _, plan = ILQR(slope, LearnedReward(slope), Generator(), horizon=5).plan(toys.latents((0.5, 0.0)))
    assert (plan.actions == 1).all()


@pytest.mark.parametrize("toy", [toys.pendulum(), toys.point_mass(), toys.two_basins()])
def test_single_precision(toy: toys.Toy) -> None:
    state = toys.latents((0.3, 0.0), (0.6, 0.1))
    _, double = planner(toy, iterations=20).plan(state)
    _, single = planner(toy, iterations=20).plan(state.map(Tensor.float))
    assert single.actions.dtype == single.value.dtype == torch.float32
    torch.testing.assert_close(single.value.double(), double.value, rtol=1e-4, atol=1e-4)


def test_budget() -> None:
    p = planner(toys.point_mass(), starts=2, iterations=3, step_lengths=5)
    assert p.model_steps == 10 * (2 * (1 + 3 * (5 + 2 + 1)) + 1)
    assert p.with_budget(p.model_steps) == p
    assert p.with_budget(p.model_steps - 1).iterations == 2
    with pytest.raises(ValueError, match="100 model steps are too few: the smallest search takes 190"):
        p.with_budget(100)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("horizon", 0, "horizon must be at least 1; got 0"),
        ("iterations", 0, "iterations must be at least 1; got 0"),
        ("starts", 0, "starts must be at least 1; got 0"),
        ("replan_every", 11, "replan_every must be at most the horizon 10; got 11"),
        ("tolerance", -1.0, "tolerance must not be negative"),
        ("discount", 1.5, r"discount must be in \(0, 1\]; got 1.5"),
    ],
)
def test_bad_numbers_are_named(field: str, value: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        planner(toys.point_mass(), **{field: value})


def test_a_previous_plan_of_another_batch_is_refused() -> None:
    p = planner(toys.point_mass())
    _, previous = p.plan(toys.latents((0.1, 0.0), (0.2, 0.0)))
    with pytest.raises(ValueError, match=r"same batch .* \(1, 10, 1\); one of \(2, 10, 1\) came"):
        p.plan(toys.latents((0.1, 0.0)), previous)
