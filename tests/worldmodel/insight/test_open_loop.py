"""Open-loop predictions on a toy whose answers are known: a counter that sees its number in the picture."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from worldmodel.episode import Episode
from worldmodel.insight.open_loop import difference, open_loop
from worldmodel.interface import Belief, State

ROWS = 9


@dataclass(frozen=True)
class Counter:
    """Adds ``drift`` times the action; the filter reads the number off the picture's first pixel."""

    drift: float = 1.0

    def initial(self, batch: int) -> Belief:
        return Belief(State(torch.zeros(batch, 0), torch.zeros(batch, 1)), torch.zeros(batch, 0))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        seen = observation[..., :1, 0, 0].to(torch.float32)
        return belief._replace(state=State(belief.state.deter, seen))

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        ahead = state.stoch[:, None] + self.drift * actions.cumsum(1)
        return State(ahead[..., :0], ahead)

    def decode(self, state: State) -> Tensor:
        return (state.stoch / 255)[..., None, None].expand(*state.stoch.shape[:-1], 3, 4, 4)

    def reward(self, state: State) -> Tensor:
        return state.stoch[..., 0]


def counted() -> Episode:
    """Row t shows the number of actions so far, each of which is 1."""
    numbers = np.arange(ROWS)
    return Episode(
        observation=np.broadcast_to(numbers[:, None, None, None], (ROWS, 4, 4, 3)).astype(np.uint8),
        action=(numbers > 0).astype(np.float32)[:, None],
        reward=numbers.astype(np.float32),
        terminated=np.zeros(ROWS, bool),
        is_first=numbers == 0,
        state=numbers[:, None].astype(np.float64),
    )


def test_a_perfect_model_is_right_in_every_row() -> None:
    """Fails if actions are shifted by one or the last filtered row is imagined twice."""
    loop = open_loop(Counter(), counted())
    np.testing.assert_array_equal(loop.model, loop.truth)
    np.testing.assert_array_equal(loop.predicted_reward, loop.reward)
    assert (loop.error == 128).all()
    assert loop.filtered == ROWS // 2


@pytest.mark.parametrize("filtered", [1, 4, 8])
def test_what_is_imagined_is_not_seen(filtered: int) -> None:
    loop = open_loop(Counter(drift=3.0), counted(), filtered)
    wrong = loop.predicted_reward - loop.reward
    np.testing.assert_array_equal(wrong[:filtered], 0)
    np.testing.assert_array_equal(wrong[filtered:], 2 * np.arange(1, ROWS - filtered + 1))


def test_only_the_rows_asked_for() -> None:
    loop = open_loop(Counter(), counted(), rows=6)
    assert len(loop.truth) == len(loop.model) == len(loop.error) == len(loop.predicted_reward) == 6
    assert loop.filtered == 3


@pytest.mark.parametrize(("filtered", "rows"), [(0, 5), (5, 5), (1, ROWS + 1), (1, 1)])
def test_there_must_be_something_to_filter_and_to_imagine(filtered: int, rows: int) -> None:
    with pytest.raises(ValueError, match=f"filtered={filtered}, rows={rows} came"):
        open_loop(Counter(), counted(), filtered, rows)


def test_the_error_is_grey_where_right_and_keeps_its_sign() -> None:
    truth, model = np.array([10, 0, 255, 100], np.uint8), np.array([10, 255, 0, 110], np.uint8)
    assert difference(model, truth).tolist() == [128, 255, 0, 133]
