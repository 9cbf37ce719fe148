"""Predicted against realised: the right rewards, the right decisions."""

import numpy as np
import pytest

from experiments.imagination_gap import imagination_gap

REWARD = np.array([0.0, 1.0, 2.0, 4.0, 8.0])  # row 0 is the reset


def test_a_decision_earns_the_rewards_that_follow_it() -> None:
    gap = imagination_gap(np.array([3.0, 6.0, 12.0, 99.0]), np.full(4, 2), REWARD, terminated=False, discount=1.0)
    assert gap.realised == pytest.approx((3 + 6 + 12) / 3)  # the last decision's second reward is not known
    assert gap.predicted == pytest.approx((3 + 6 + 12) / 3)


def test_rewards_are_discounted() -> None:
    gap = imagination_gap(np.zeros(4), np.array([4, 4, 4, 4]), REWARD, terminated=False, discount=0.5)
    assert gap.realised == pytest.approx(1 + 2 / 2 + 4 / 4 + 8 / 8)


def test_nothing_is_paid_after_the_end() -> None:
    gap = imagination_gap(np.zeros(4), np.full(4, 3), REWARD, terminated=True, discount=1.0)
    assert gap.realised == pytest.approx((7 + 14 + 12 + 8) / 4)


def test_plans_that_are_followed_get_shorter() -> None:
    gap = imagination_gap(np.array([3.0, 2.0, 12.0, 8.0]), np.array([2, 1, 2, 1]), REWARD, False, 1.0)
    assert gap.realised == gap.predicted == pytest.approx(25 / 4)


def test_without_a_judged_decision_there_is_no_gap() -> None:
    assert np.isnan(imagination_gap(np.zeros(4), np.full(4, 9), REWARD, False, 1.0)).all()
    assert np.isnan(imagination_gap(np.full(4, np.nan), np.full(4, 1), REWARD, False, 1.0)).all()


def test_a_critics_tail_counts_from_the_belief_that_was_reached() -> None:
    """Horizon 2, discount 0.5: two rewards and a quarter of the tail there; beyond the last belief nothing is known."""
    tail = np.array([10.0, 20.0, 40.0, 80.0])
    gap = imagination_gap(np.zeros(4), np.full(4, 2), REWARD, terminated=False, discount=0.5, tail=tail)
    assert gap.realised == pytest.approx(((1 + 2 / 2 + 40 / 4) + (2 + 4 / 2 + 80 / 4)) / 2)


def test_after_an_end_there_is_no_tail() -> None:
    gap = imagination_gap(np.zeros(4), np.full(4, 3), REWARD, terminated=True, discount=1.0, tail=np.full(4, 100.0))
    assert gap.realised == pytest.approx((7 + 100 + 14 + 12 + 8) / 4)
