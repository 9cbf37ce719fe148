from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from planners.objective import LearnedReward
from planners.predict import predict, with_candidates
from tests.planners import toys
from worldmodel.interface import State


@dataclass(frozen=True)
class Listed:
    """An objective that reads rewards, continuations and the terminal value off a list, one per step."""

    rewards: tuple[float, ...]
    continuation: tuple[float, ...]
    value: float = 0.0

    def reward(self, states: State, actions: Tensor) -> Tensor:
        return torch.tensor(self.rewards, dtype=torch.float64).expand(states.stoch.shape[:-1])

    def continues(self, states: State) -> Tensor:
        return torch.tensor(self.continuation, dtype=torch.float64).expand(states.stoch.shape[:-1])

    def terminal(self, state: State) -> Tensor:
        return torch.full_like(state.stoch[..., 0], self.value)


def value_of(objective: Listed, discount: float = 1.0) -> float:
    actions = torch.zeros(1, len(objective.rewards), 1, dtype=torch.float64)
    return predict(toys.point_mass(), objective, toys.latents((0.0, 0.0)), actions, discount)[1].item()


def test_the_first_reward_is_not_discounted_and_the_terminal_value_is_by_the_whole_horizon() -> None:
    assert value_of(Listed((1, 10, 100), (1, 1, 1), 1000), 0.5) == pytest.approx(1 + 5 + 25 + 125)


def test_the_reward_on_arrival_in_the_end_counts_and_nothing_after_it() -> None:
    assert value_of(Listed((1, 10, 100), (1, 0, 1), 1000)) == pytest.approx(11)


def test_continuations_multiply() -> None:
    assert value_of(Listed((1, 1, 1), (0.5, 0.5, 0.5), 8)) == pytest.approx(1 + 0.5 + 0.25 + 0.125 * 8)


def test_a_horizon_of_one() -> None:
    assert value_of(Listed((2,), (0.5,), 10), 0.9) == pytest.approx(2 + 0.45 * 10)


def test_states_are_those_arrived_at_and_rewards_are_paid_there() -> None:
    toy = toys.two_basins()
    actions = torch.tensor([[[-1.0], [-1.0], [-1.0], [-1.0]]], dtype=torch.float64)
    states, value = predict(toy, LearnedReward(toy), toys.latents((0.0, 0.0)), actions)
    torch.testing.assert_close(states.deter[0, :, 0], torch.tensor([-0.25, -0.5, -0.75, -1.0], dtype=torch.float64))
    torch.testing.assert_close(value, toy.reward(states).sum(-1))
    assert value.item() > toy.reward(states)[0, -1].item() > 4.9


def test_candidates_share_the_start_and_differ_in_actions() -> None:
    toy, state = toys.point_mass(), toys.latents((0.3, 0.0), (-0.2, 0.1))
    actions = torch.rand(2, 5, 4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, value = predict(toy, LearnedReward(toy), with_candidates(state, 5), actions)
    for i in range(5):
        torch.testing.assert_close(value[:, i], predict(toy, LearnedReward(toy), state, actions[:, i])[1])


def test_noise_reaches_the_dynamics() -> None:
    toy, state = toys.point_mass(), toys.latents((0.3, 0.0))
    actions = torch.zeros(1, 3, 1, dtype=torch.float64)
    states, _ = predict(toy, LearnedReward(toy), state, actions, noise=torch.ones(1, 3, 1, dtype=torch.float64))
    torch.testing.assert_close(states.stoch[0, :, 0], torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))


def test_what_is_not_finite_is_not_hidden() -> None:
    toy = toys.all_poisoned()
    _, value = predict(toy, LearnedReward(toy), toys.latents((0.0, 0.0)), torch.zeros(1, 3, 1, dtype=torch.float64))
    assert torch.isnan(value).all()


@pytest.mark.parametrize("shape", [(1, 3, 2), (3, 1), (2, 3, 1), (1, 5, 3, 1)])
def test_actions_that_do_not_fit_the_state_or_the_model_are_refused(shape: tuple[int, ...]) -> None:
    toy = toys.point_mass()
    with pytest.raises(ValueError, match=r"leading axes of the state \(1,\); the shape .* came"):
        predict(toy, LearnedReward(toy), toys.latents((0.0, 0.0)), torch.zeros(shape))
