"""What holds for every planner on every toy. To put a planner under it, add a line to `PLANNERS`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Generator

from planners import sampling
from planners.actor_critic.actor import Actor
from planners.actor_critic.policy import ActorPlanner
from planners.gradient import GradientPlanner
from planners.ilqr import ILQR
from planners.interface import Objective, Plan, Planner
from planners.objective import ControlPenalty, LearnedReward, Sum
from planners.predict import predict
from tests.planners import toys
from worldmodel.interface import State, WorldModel

HORIZON = 6
Factory = Callable[[WorldModel, Objective, Generator, int], Planner]


def actor(model: WorldModel, objective: Objective, generator: Generator, horizon: int) -> Planner:
    """A policy that holds the point mass: linear, near the best gains; elsewhere it does nothing."""
    with torch.random.fork_rng(devices=[]):
        policy = Actor(model.sizes.latent, model.sizes.action, []).double()
    torch.nn.init.zeros_(policy.net[0].weight)
    if model.transition.__qualname__.startswith("point_mass"):  # type: ignore[attr-defined]
        policy.net[0].weight.data[0] = torch.tensor([-1.15, -1.0])
    return ActorPlanner(model, objective, generator, policy, horizon)


PLANNERS: list[tuple[str, Factory]] = [
    ("random_shooting", lambda m, o, g, h: sampling.random_shooting(m, o, g, horizon=h, candidates=256)),
    ("cem", lambda m, o, g, h: sampling.cem(m, o, g, horizon=h, candidates=128, iterations=6, elites=16)),
    ("icem", lambda m, o, g, h: sampling.icem(m, o, g, horizon=h)),
    ("mppi", lambda m, o, g, h: sampling.mppi(m, o, g, horizon=h, candidates=128)),
    ("tdmpc", lambda m, o, g, h: sampling.tdmpc(m, o, g, horizon=h, candidates=128, elites=16)),
    ("ilqr", lambda m, o, g, h: ILQR(m, o, g, horizon=h)),
    ("ilqr_starts", lambda m, o, g, h: ILQR(m, o, g, horizon=h, starts=4)),
    ("gradient", lambda m, o, g, h: GradientPlanner(m, o, g, horizon=h)),
    ("actor", actor),
]
TOYS = [("point_mass", toys.point_mass), ("two_basins", toys.two_basins), ("cliff", toys.cliff)]

every_planner = pytest.mark.parametrize("make", [pytest.param(factory, id=name) for name, factory in PLANNERS])
every_toy = pytest.mark.parametrize("toy", [pytest.param(make(), id=name) for name, make in TOYS])


def objective_of(toy: toys.Toy) -> Objective:
    return Sum((LearnedReward(toy), ControlPenalty(toys.POINT_PENALTY)), (1.0, 1.0))


def seeded(make: Factory, toy: toys.Toy, seed: int = 0) -> Planner:
    return make(toy, objective_of(toy), Generator().manual_seed(seed), HORIZON)


def starts() -> State:
    return toys.latents((0.3, 0.0), (-0.2, 0.1))


def row(state: State, i: int) -> State:
    return state.map(lambda x: x[i : i + 1])


def row_of_plan(plan: Plan, i: int) -> Plan:
    carried = None if plan.carried is None else plan.carried[i : i + 1]
    gains = None if plan.gains is None else plan.gains[i : i + 1]
    return Plan(plan.actions[i : i + 1], row(plan.states, i), plan.value[i : i + 1], {}, carried, gains)


@every_planner
@every_toy
def test_shapes_and_limits(make: Factory, toy: toys.Toy) -> None:
    action, plan = seeded(make, toy).plan(starts())
    assert isinstance(seeded(make, toy), Planner)
    assert plan.actions.shape == (2, HORIZON, 1)
    assert plan.states.vector.shape == (2, HORIZON, 2)
    assert plan.value.shape == (2,)
    assert torch.equal(action, plan.actions[:, 0])
    assert plan.actions.dtype == torch.float64
    assert (plan.actions.abs() <= 1).all()
    assert not plan.actions.requires_grad
    assert not plan.value.requires_grad


@every_planner
@every_toy
def test_value_and_states_are_those_of_the_plans_own_actions(make: Factory, toy: toys.Toy) -> None:
    _, plan = seeded(make, toy).plan(starts())
    states, value = predict(toy, objective_of(toy), starts(), plan.actions)
    torch.testing.assert_close(plan.value, value)
    torch.testing.assert_close(plan.states.vector, states.vector)


@every_planner
@every_toy
def test_same_seed_same_plan_and_nothing_is_remembered(make: Factory, toy: toys.Toy) -> None:
    generator = Generator().manual_seed(3)
    planner = make(toy, objective_of(toy), generator, HORIZON)
    _, first = planner.plan(starts())
    planner.plan(row(starts(), 0), row_of_plan(first, 0))
    generator.manual_seed(3)
    _, again = planner.plan(starts())
    assert torch.equal(first.actions, again.actions)
    assert torch.equal(first.value, again.value)


@every_planner
@every_toy
def test_a_batch_of_two_is_two_of_one(make: Factory, toy: toys.Toy) -> None:
    _, first = seeded(make, toy).plan(starts())
    _, both = seeded(make, toy, seed=1).plan(starts(), first)
    for i in range(2):
        _, one = seeded(make, toy, seed=1).plan(row(starts(), i), row_of_plan(first, i))
        torch.testing.assert_close(one.actions[0], both.actions[i])
        torch.testing.assert_close(one.value[0], both.value[i])


@every_planner
def test_inputs_and_global_random_numbers_are_untouched(make: Factory) -> None:
    toy, state = toys.point_mass(), starts()
    _, previous = seeded(make, toy).plan(state)
    kept_actions, kept_state = previous.actions.clone(), state.vector.clone()
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    seeded(make, toy).plan(state, previous)
    assert torch.equal(previous.actions, kept_actions)
    assert torch.equal(state.vector, kept_state)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


@every_planner
@every_toy
def test_not_worse_than_doing_nothing(make: Factory, toy: toys.Toy) -> None:
    _, plan = seeded(make, toy).plan(starts())
    _, nothing = predict(toy, objective_of(toy), starts(), torch.zeros(2, HORIZON, 1, dtype=torch.float64))
    assert (plan.value >= nothing - 1e-3).all()


@every_planner
def test_approaches_the_known_optimum(make: Factory) -> None:
    toy, state = toys.point_mass(), toys.latents((0.5, 0.0), (-0.45, 0.0))
    planner, plan = seeded(make, toy), None
    for _ in range(3):  # the same state again: a planner that warm-starts only gets better
        _, plan = planner.plan(state, plan)
    _, optimum = toys.point_mass_optimum(state, HORIZON)
    _, nothing = predict(toy, objective_of(toy), state, torch.zeros(2, HORIZON, 1, dtype=torch.float64))
    assert (plan.value <= optimum + 1e-9).all(), "better than the best possible: the value is not a return"
    gained = (plan.value - nothing) / (optimum - nothing)
    least = 0.3 if make is dict(PLANNERS)["random_shooting"] else 0.9
    assert (gained > least).all(), gained


@every_planner
def test_the_chosen_plan_is_never_one_of_the_poisoned(make: Factory) -> None:
    toy = toys.poisoned()
    _, plan = seeded(make, toy).plan(toys.latents((0.0, 0.0), (0.5, 0.0)))
    assert torch.isfinite(plan.value).all()
    assert torch.isfinite(plan.actions).all()
    assert (plan.states.deter > -0.2).all()
    assert (plan.states.deter <= 0.9).all()


@every_planner
def test_the_trace_has_a_row_per_iteration(make: Factory) -> None:
    toy = toys.point_mass()
    _, plan = seeded(make, toy).plan(starts())
    iterations = len(plan.trace["best"])
    assert iterations >= 1
    for name in ("best", "mean", "spread", "nonfinite"):
        assert plan.trace[name].shape == (iterations, 2), name
