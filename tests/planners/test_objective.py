from __future__ import annotations

import pytest
import torch

from planners.interface import Objective
from planners.objective import ControlPenalty, GoalState, LearnedReward, Sum, goal_belief
from tests.planners import toys


def test_learned_reward_is_the_models() -> None:
    toy, state = toys.cliff(), toys.latents((0.5, 0.0), (0.7, 0.0))
    objective = LearnedReward(toy)
    assert isinstance(objective, Objective)
    torch.testing.assert_close(objective.reward(state, torch.zeros(2, 1)), state.deter[:, 0])
    assert objective.continues(state)[0] > 0.99
    assert objective.continues(state)[1] < 0.01
    assert (objective.terminal(state) == 0).all()


def test_goal_state_is_minus_the_weighted_squared_distance() -> None:
    objective = GoalState(torch.tensor([1.0, -1.0]), torch.tensor([2.0, 10.0]))
    reward = objective.reward(toys.latents((0.0, 0.0), (1.0, -1.0)), torch.zeros(2, 1))
    assert reward.tolist() == [-12.0, 0.0]


def test_a_metric_matrix_weighs_directions_and_a_diagonal_one_is_weights() -> None:
    state, goal = toys.latents((2.0, 0.0), (1.0, 1.0)), torch.zeros(2)
    metric = torch.tensor([[2.0, -1.0], [-1.0, 3.0]])
    assert GoalState(goal, metric).reward(state, torch.zeros(2, 1)).tolist() == [-8.0, -3.0]
    weights = torch.tensor([2.0, 3.0])
    diagonal = GoalState(goal, weights.diag()).reward(state, torch.zeros(2, 1))
    torch.testing.assert_close(diagonal, GoalState(goal, weights).reward(state, torch.zeros(2, 1)))


def test_each_environment_has_its_own_goal_whatever_axes_lie_between() -> None:
    goal = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    state = toys.latents((1.0, 0.0), (1.0, 0.0)).map(lambda x: x[:, None, None].expand(-1, 5, 4, -1))
    reward = GoalState(goal).reward(state, torch.zeros(2, 5, 4, 1))
    assert reward.shape == (2, 5, 4)
    assert (reward[0] == 0).all()
    assert (reward[1] == -4).all()


def test_goal_belief_is_what_the_filter_makes_of_the_image() -> None:
    toy = toys.point_mass()
    image = torch.tensor([[[[255], [0]]]], dtype=torch.uint8)
    assert goal_belief(toy, image).state.vector.tolist() == [[2.0, -2.0]]
    with pytest.raises(ValueError, match=r"Add a batch axis"):
        goal_belief(toy, image[0])


def test_control_penalty_adds_up_over_action_dimensions() -> None:
    reward = ControlPenalty(0.5).reward(toys.latents((0.0, 0.0)), torch.tensor([[1.0, 2.0]]))
    assert reward.tolist() == [-2.5]


def test_a_sum_weighs_rewards_and_terminals_and_ends_with_its_least_optimistic_part() -> None:
    toy, state, action = toys.cliff(), toys.latents((0.7, 0.0)), torch.tensor([[1.0]], dtype=torch.float64)
    learned = LearnedReward(toy)
    total = Sum((learned, ControlPenalty(0.1), learned), (2.0, 3.0, 1.0))
    torch.testing.assert_close(total.reward(state, action), torch.tensor([2 * 0.7 - 0.3 + 0.7], dtype=torch.float64))
    torch.testing.assert_close(total.continues(state), learned.continues(state))


def test_a_sum_needs_a_weight_for_each() -> None:
    with pytest.raises(ValueError, match="1 objectives and 2 weights"):
        Sum((ControlPenalty(1.0),), (1.0, 2.0))
