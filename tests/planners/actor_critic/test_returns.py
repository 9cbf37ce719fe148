"""λ-returns by hand: at λ = 0 and 1, in between, and with an end in the middle."""

import pytest
import torch
from torch import Tensor

from planners.actor_critic.returns import lambda_returns, reached

REWARD = torch.tensor([[1.0, 2.0, 3.0]])
VALUE = torch.tensor([[10.0, 20.0, 30.0]])
DISCOUNT = torch.tensor([[0.5, 0.5, 0.5]])


def test_lambda_0_looks_one_step_ahead() -> None:
    torch.testing.assert_close(lambda_returns(REWARD, DISCOUNT, VALUE, 0.0), torch.tensor([[6.0, 12.0, 18.0]]))


def test_lambda_1_adds_up_all_rewards_and_the_last_value() -> None:
    expected = torch.tensor([[1 + 0.5 * 2 + 0.25 * 3 + 0.125 * 30, 2 + 0.5 * 3 + 0.25 * 30, 3 + 0.5 * 30]])
    torch.testing.assert_close(lambda_returns(REWARD, DISCOUNT, VALUE, 1.0), expected)


def test_in_between_by_hand() -> None:
    last = 3 + 0.5 * 30
    middle = 2 + 0.5 * (0.25 * 20 + 0.75 * last)
    first = 1 + 0.5 * (0.25 * 10 + 0.75 * middle)
    torch.testing.assert_close(lambda_returns(REWARD, DISCOUNT, VALUE, 0.75), torch.tensor([[first, middle, last]]))


@pytest.mark.parametrize("mixing", [0.0, 0.9, 1.0])
def test_nothing_after_an_end_counts_but_the_reward_on_arrival_does(mixing: float) -> None:
    discount = torch.tensor([[0.5, 0.0, 0.5]])
    returns = lambda_returns(REWARD, discount, VALUE, mixing)
    other = lambda_returns(
        REWARD + torch.tensor([[0, 0, 99.0]]), discount, VALUE + torch.tensor([[0, 99.0, 99]]), mixing
    )
    assert returns[0, 1] == 2
    torch.testing.assert_close(returns[:, :2], other[:, :2])


def test_a_true_value_is_the_return_for_every_lambda() -> None:
    """Reward 1 for ever at discount 0.9 is worth 10, wherever one stops adding up."""
    ones = torch.ones(1, 7)
    for mixing in (0.0, 0.3, 1.0):
        torch.testing.assert_close(lambda_returns(ones, 0.9 * ones, 10 * ones, mixing), 10 * ones)


def test_steps_count_by_what_it_takes_to_reach_them() -> None:
    discount: Tensor = torch.tensor([[0.9, 0.0, 0.8]])
    torch.testing.assert_close(reached(discount), torch.tensor([[1.0, 0.9, 0.0]]))
