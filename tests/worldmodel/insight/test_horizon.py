"""Error by horizon on a counter whose model drifts at a known rate."""

import numpy as np
import pytest
import torch

from tests.worldmodel.insight.test_open_loop import Counter
from worldmodel.episode import Episode
from worldmodel.insight.horizon import break_even, image_errors, look_ahead, scalar_errors
from worldmodel.interface import State

ROWS, HORIZON = 21, 8


def counted(first: int = 0) -> Episode:
    """Row t shows the number ``first + 2 t``: every action adds 2."""
    numbers = first + 2 * np.arange(ROWS)
    picture = np.zeros((ROWS, 4, 4, 3), np.uint8)
    picture[:, :2] = numbers[:, None, None, None]  # the upper half moves, the lower half never does
    return Episode(
        observation=picture,
        action=np.where(np.arange(ROWS) > 0, 2, 0).astype(np.float32)[:, None],
        reward=numbers.astype(np.float32),
        terminated=np.zeros(ROWS, bool),
        is_first=np.arange(ROWS) == 0,
        state=numbers[:, None].astype(np.float64),
    )


EPISODES = [counted(0), counted(50)]


def filtered() -> State:
    """What the filter sees is right."""
    numbers = torch.tensor(np.stack([e.state for e in EPISODES]), dtype=torch.float32)
    return State(numbers[..., :0], numbers)


def read(state: State) -> torch.Tensor:
    return state.stoch


def test_a_drifting_model_errs_in_proportion_to_the_horizon() -> None:
    """Per step it adds 2 · 1.25 for 2: half a unit more each step; copying is wrong by 2 a step."""
    ahead = look_ahead(Counter(drift=1.25), EPISODES, filtered(), HORIZON)
    found = scalar_errors(EPISODES, ahead, [e.state for e in EPISODES], read)
    steps = np.arange(1, HORIZON + 1)
    np.testing.assert_allclose(found.model, np.tile((0.5 * steps) ** 2, (len(ahead.row), 1)))
    np.testing.assert_allclose(found.copy, np.tile((2.0 * steps) ** 2, (len(ahead.row), 1)))
    assert (found.posterior == 0).all()


def test_starts_leave_room_for_the_horizon() -> None:
    ahead = look_ahead(Counter(), EPISODES, filtered(), HORIZON, every=3, first=4)
    assert ahead.row.tolist() == [4, 7, 10] * 2
    assert ahead.episode.tolist() == [0] * 3 + [1] * 3
    assert ahead.row.max() + HORIZON < ROWS


def test_a_perfect_model_has_no_error_and_moving_pixels_count_alone() -> None:
    background = np.zeros((4, 4, 3), np.uint8)
    perfect = look_ahead(Counter(), EPISODES, filtered(), HORIZON, first=10)

    class Upper(Counter):
        def decode(self, state: State) -> torch.Tensor:
            picture = super().decode(state).clone()
            picture[..., 2:, :] = 0
            return picture

    whole, moving = image_errors(Upper(), EPISODES, perfect, background)
    np.testing.assert_allclose(whole.model, 0, atol=1e-10)
    np.testing.assert_allclose(moving.copy, whole.copy * 2, rtol=1e-5)  # half of the pixels move
    np.testing.assert_allclose(moving.copy[0], (2 * np.arange(1, HORIZON + 1) / 255) ** 2, rtol=1e-4)


def test_where_nothing_moves_there_is_nothing_to_compare() -> None:
    ahead = look_ahead(Counter(), EPISODES[:1], filtered(), 2, first=0)
    _, moving = image_errors(Counter(), EPISODES[:1], ahead, EPISODES[0].observation[0])
    assert np.isnan(moving.copy[0]).all()  # 0 to 4 grey levels: below what counts as moving


@pytest.mark.parametrize(("growth", "steps"), [(1.0, 4), (0.5, 9), (0.1, 20), (9.0, 0)])
def test_break_even_of_a_known_growth(growth: float, steps: int) -> None:
    """The model errs by ``growth`` more each step, copying by 5 at once and then no more."""
    assert break_even(growth * np.arange(1, 21), np.full(20, 4.9)) == steps


def test_break_even_ends_at_the_first_defeat_and_at_nan() -> None:
    assert break_even(np.array([0.0, 2.0, 0.0]), np.ones(3)) == 1
    assert break_even(np.array([0.0, np.nan, 0.0]), np.ones(3)) == 1


def test_episodes_must_be_long_enough() -> None:
    with pytest.raises(ValueError, match="takes an episode of 36 rows; the longest has 21"):
        look_ahead(Counter(), EPISODES, filtered(), horizon=30)
