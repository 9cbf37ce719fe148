"""Numbers as distributions over bins give the numbers back."""

import pytest
import torch

from planners.actor_critic.critic import Critic
from planners.actor_critic.two_hot import cross_entropy, expected, symexp, symlog, two_hot
from worldmodel.interface import State

BINS = torch.linspace(-7, 7, 101, dtype=torch.float64)
VALUES = torch.tensor([0.0, 1e-4, -0.3, 1.0, -7.7, 83.25, -512.0, 1095.0], dtype=torch.float64)


def test_symlog_and_symexp_undo_each_other() -> None:
    torch.testing.assert_close(symexp(symlog(VALUES)), VALUES)
    assert symlog(torch.tensor(torch.e - 1)) == pytest.approx(1)
    torch.testing.assert_close(symlog(-VALUES), -symlog(VALUES))


def test_two_hot_gives_the_number_back() -> None:
    hot = two_hot(VALUES, BINS)
    torch.testing.assert_close(expected(hot, BINS), VALUES)
    torch.testing.assert_close(hot.sum(-1), torch.ones_like(VALUES))
    assert ((hot > 0).sum(-1) <= 2).all()
    assert (hot >= 0).all()


def test_values_beyond_the_bins_count_as_the_outermost() -> None:
    hot = two_hot(torch.tensor([1e6, -1e6], dtype=torch.float64), BINS)
    torch.testing.assert_close(hot.argmax(-1), torch.tensor([100, 0]))


def test_the_cross_entropy_is_that_with_the_two_hot_target() -> None:
    logits = torch.randn(8, 101, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain = -(two_hot(VALUES, BINS) * torch.log_softmax(logits, -1)).sum(-1)
    torch.testing.assert_close(cross_entropy(logits, VALUES, BINS), plain)


def test_the_cross_entropy_is_least_at_the_target() -> None:
    """Following its gradient the read value becomes the target."""
    logits = torch.zeros(8, 101, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        cross_entropy(logits, VALUES, BINS).sum().backward()
        optimizer.step()
    torch.testing.assert_close(expected(torch.softmax(logits, -1), BINS), VALUES, rtol=0.02, atol=0.02)


def test_an_untrained_critic_promises_nothing() -> None:
    state = State(torch.randn(5, 3), torch.randn(5, 2))
    torch.testing.assert_close(Critic(5, [8])(state), torch.zeros(5), rtol=0, atol=1e-5)
