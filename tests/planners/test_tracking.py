"""What iLQR's plans are worth when they are followed with their gains rather than made anew."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from planners.ilqr import ILQR
from planners.interface import Plan
from planners.objective import ControlPenalty, LearnedReward, Sum
from planners.predict import predict
from planners.tracking import follow
from tests.planners import toys
from worldmodel.interface import State

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


def planner(toy: toys.Toy, **fields: object) -> ILQR:
    objective = Sum((LearnedReward(toy), ControlPenalty(toys.POINT_PENALTY)), (1.0, 1.0))
    return ILQR(toy, objective, Generator().manual_seed(0), **({"horizon": 10} | fields))


def run(p: ILQR, state: State, decisions: int, disturbance: float) -> tuple[list[Plan], list[Tensor], State]:
    plan, plans, actions = None, [], []
    for i in range(decisions):
        action, plan = p.plan(state, plan)
        state = p.model.step(state, action)
        state = State(state.deter + disturbance * (-1) ** i, state.stoch)
        plans.append(plan)
        actions.append(action)
    return plans, actions, state


def test_plans_are_followed_and_made_anew_in_turn() -> None:
    plans, _, _ = run(planner(toys.point_mass(), replan_every=3, horizon=6), toys.latents((0.4, 0.0)), 7, 0.0)
    assert [plan.actions.shape[1] for plan in plans] == [6, 5, 4, 6, 5, 4, 6]
    for plan in plans:
        assert plan.gains is not None
        assert plan.gains.shape == (1, plan.actions.shape[1], 1, 2)


def test_undisturbed_the_plan_is_executed_as_it_was() -> None:
    _, actions, _ = run(planner(toys.pendulum(), replan_every=10, iterations=20), toys.latents((0.8, 0.0)), 10, 0.0)
    _, plan = planner(toys.pendulum(), iterations=20).plan(toys.latents((0.8, 0.0)))
    torch.testing.assert_close(torch.stack(actions, dim=1), plan.actions, **CLOSE)


def test_gains_make_up_for_disturbances_as_planning_anew_would() -> None:
    """On a linear-quadratic problem the gains ARE the optimal policy of the steps that are left."""
    p = planner(toys.point_mass(), replan_every=5, horizon=5)
    plan, state, others = None, toys.latents((0.4, 0.0), (0.2, 0.1)), toys.point_mass()
    for left in range(5, 0, -1):
        action, plan = p.plan(state, plan)
        best, value = toys.point_mass_optimum(state, left)
        torch.testing.assert_close(action, best[:, 0], **CLOSE)
        torch.testing.assert_close(plan.value, value, **CLOSE)
        state = others.step(state, action)
        state = State(state.deter + 0.05, state.stoch - 0.02)


def test_a_followed_plan_predicts_its_own_actions() -> None:
    p = planner(toys.pendulum(), replan_every=4, discount=0.9)
    _, plan = p.plan(toys.latents((1.0, 0.0)))
    elsewhere = plan.states.map(lambda x: x[:, 0] + 0.1)
    _, followed = p.plan(elsewhere, plan)
    states, value = predict(p.model, p.objective, elsewhere, followed.actions, 0.9)
    assert torch.equal(followed.value, value)
    assert torch.equal(followed.states.vector, states.vector)
    assert (followed.actions.abs() <= 1).all()
    assert not torch.equal(followed.actions, plan.actions[:, 1:])


def test_only_a_plan_with_gains_can_be_followed() -> None:
    p = planner(toys.point_mass())
    state = toys.latents((0.4, 0.0))
    _, plan = p.plan(state)
    with pytest.raises(ValueError, match="with no gains and 10 steps came"):
        follow(p.model, p.objective, state, plan._replace(gains=None))
    last = plan._replace(actions=plan.actions[:, :1])
    with pytest.raises(ValueError, match="with gains and 1 steps came"):
        follow(p.model, p.objective, state, last)
