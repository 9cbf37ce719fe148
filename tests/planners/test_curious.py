"""A bonus for going where little is known: which steps get it, of whom, and that a search follows it."""

import torch

from planners.curious import Curious
from planners.objective import LearnedReward
from planners.predict import predict, with_candidates
from planners.sampling import cem
from tests.planners.toys import Toy, point_mass
from worldmodel.interface import State


def known_near_zero(states: State, actions: torch.Tensor) -> torch.Tensor:
    return states.deter[..., 0].abs() + actions[..., 0]


def test_the_bonus_is_that_of_acting_in_the_states_on_the_way() -> None:
    toy = point_mass()
    objective = Curious(LearnedReward(toy), known_near_zero, torch.tensor([0.0, 0.5], dtype=torch.float64))
    actions = torch.rand(2, 4, 3, 1, dtype=torch.float64)
    start = with_candidates(toy.state(torch.zeros(2, 2, dtype=torch.float64)), 4)
    states = toy.rollout(start, actions)
    bonus = objective.reward(states, actions) - toy.reward(states)
    assert torch.equal(bonus[0], torch.zeros(4, 3, dtype=torch.float64)), "of no weight in the first environment"
    assert torch.equal(bonus[1, :, 0], torch.zeros(4, dtype=torch.float64)), "where the plan starts is not part of it"
    expected = 0.5 * (states.deter[1, :, :2, 0].abs() + actions[1, :, 1:, 0])
    torch.testing.assert_close(bonus[1, :, 1:], expected)


def test_a_plan_of_one_step_is_worth_its_reward() -> None:
    toy = point_mass()
    objective = Curious(LearnedReward(toy), known_near_zero, torch.ones(1, dtype=torch.float64))
    start, actions = toy.state(torch.ones(1, 2, dtype=torch.float64)), torch.ones(1, 1, 1, dtype=torch.float64)
    curious, plain = (predict(toy, goal, start, actions)[1] for goal in (objective, LearnedReward(toy)))
    torch.testing.assert_close(curious, plain)


def test_a_search_goes_where_little_is_known_as_far_as_its_weight_says() -> None:
    """Nothing is paid anywhere. Without a weight the system stays about where it is, with one it goes far, of 1.5."""

    def step(latent: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return latent + torch.cat([0.3 * action, 0 * action], -1)

    toy = Toy(step, lambda latent: torch.zeros_like(latent[..., 0]))
    weight = torch.tensor([0.0, 1.0])
    objective = Curious(LearnedReward(toy), lambda states, _: states.deter[..., 0], weight)
    planner = cem(toy, objective, torch.Generator().manual_seed(0), horizon=5, candidates=100, iterations=5, elites=10)
    _, plan = planner.plan(toy.state(torch.zeros(2, 2)))
    stays, goes = plan.states.deter[:, -1, 0]
    assert goes > 1
    assert stays.abs() < 0.8
