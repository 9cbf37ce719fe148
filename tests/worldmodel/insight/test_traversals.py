"""Sweeps and lines through a decoder that paints the latent itself."""

from types import SimpleNamespace

import numpy as np
import torch

from worldmodel.insight.traversals import (
    cross_fade,
    distance_to_real,
    latent_line,
    state_of,
    traverse,
    vector_directions,
)
from worldmodel.interface import State

# a picture of one row and three columns: the three numbers of the latent
PAINTER = SimpleNamespace(
    sizes=SimpleNamespace(deter=1, stoch=2, latent=3), decode=lambda state: state.vector[..., None, None, :]
)
STATE = State(torch.tensor([5.0]), torch.tensor([1.0, 2.0]))


def test_one_dimension_is_swept_and_the_others_stay() -> None:
    directions = vector_directions(PAINTER, np.array([1, 0]))  # type: ignore[arg-type]
    amounts = torch.tensor([[-1.0, 0.0, 4.0], [0.0, 0.0, 1.0]])
    pictures = traverse(PAINTER, STATE, directions, amounts)[..., 0, 0, :]  # type: ignore[arg-type]
    assert pictures[0].tolist() == [[5, 1, 1], [5, 1, 2], [5, 1, 6]]
    assert pictures[1, -1].tolist() == [5, 2, 2]


def test_a_line_has_both_ends_and_the_middle() -> None:
    end = State(torch.tensor([7.0]), torch.tensor([1.0, 0.0]))
    line = latent_line(PAINTER, STATE, end, 3)[:, 0, 0]  # type: ignore[arg-type]
    assert line.tolist() == [[5, 1, 2], [6, 1, 1], [7, 1, 0]]


def test_a_cross_fade_is_the_line_between_pictures() -> None:
    black, white = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    fade = cross_fade(black, white, 5)
    assert fade.shape == (2, 5, 3, 4, 4)
    assert fade[1, :, 0, 0, 0].tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_distance_to_what_was_seen() -> None:
    real = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = distance_to_real(np.array([[[0.0, 0.0], [0.0, 1.0], [1.0, 0.9]]]), real)
    np.testing.assert_allclose(found, [[0, np.sqrt(0.5), np.sqrt(0.005)]])


def test_a_state_comes_back_from_its_vector() -> None:
    again = state_of(PAINTER, STATE.vector)  # type: ignore[arg-type]
    assert torch.equal(again.deter, STATE.deter)
    assert torch.equal(again.stoch, STATE.stoch)
