"""Windows that hold a row that pays: each does, all such rows alike, wherever they lie; and none is made up."""

import numpy as np
import pytest

from worldmodel.window_places import even_places, paid_places, starts_of

ROWS = np.array([7, 3, 20, 1])
LENGTH = 4


def rewards(*paid: int) -> np.ndarray:
    return np.isin(np.arange(ROWS.sum()), paid).astype(np.float32)


def shown(places: np.ndarray) -> np.ndarray:
    """``[count, rows]``: which rows of all episodes each window holds."""
    episode, first = starts_of(places, ROWS, LENGTH)
    begin = (np.cumsum(ROWS) - ROWS)[episode] + first
    row = np.arange(ROWS.sum())
    return (row >= begin[:, None]) & (row < (begin + np.minimum(ROWS[episode], LENGTH))[:, None])


@pytest.mark.parametrize("paid", [0, 6, 8, 10, 20, 29, 30])
def test_every_window_holds_the_row_that_pays(paid: int) -> None:
    places = paid_places(ROWS, rewards(paid), LENGTH, 200, np.random.default_rng(0))
    assert shown(places)[:, paid].all()


def test_rows_that_pay_are_drawn_alike_in_short_episodes_and_long_ones() -> None:
    paid = [3, 8, 18, 30]
    held = shown(paid_places(ROWS, rewards(*paid), LENGTH, 4000, np.random.default_rng(0)))[:, paid].mean(0)
    np.testing.assert_allclose(held, 0.25, atol=0.03)


def test_the_row_that_pays_is_anywhere_in_its_window() -> None:
    _, first = starts_of(paid_places(ROWS, rewards(20), LENGTH, 4000, np.random.default_rng(0)), ROWS, LENGTH)
    _, counts = np.unique(first, return_counts=True)
    np.testing.assert_allclose(counts / 4000, [0.25] * LENGTH, atol=0.03)


def test_where_all_rows_pay_the_same_windows_are_drawn_evenly() -> None:
    same = paid_places(ROWS, np.ones(ROWS.sum()), LENGTH, 50, np.random.default_rng(0))
    np.testing.assert_array_equal(same, even_places(ROWS, LENGTH, 50, np.random.default_rng(0)))
