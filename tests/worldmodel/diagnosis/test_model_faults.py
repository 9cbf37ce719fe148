"""A collapsed posterior and a blind decoder are told from good ones by their numbers."""

import numpy as np
import pytest

from worldmodel.diagnosis.moving_objects import explained, moving_objects, small_objects
from worldmodel.diagnosis.posterior import posterior

RNG = np.random.default_rng(0)


def test_a_posterior_that_moves_with_the_data_is_healthy() -> None:
    kl, mean = RNG.uniform(0.5, 1, (200, 4)), RNG.normal(size=(200, 4))
    kl[:, 3] = mean[:, 3] = 0  # one unused dimension is no collapse
    found = posterior(kl, mean)
    assert found.verdict == "healthy"
    assert "3 of 4 dimensions active" in found.evidence


@pytest.mark.parametrize(("nats", "spread"), [(1e-4, 1.0), (0.5, 1e-3)])
def test_a_posterior_that_says_nothing_has_collapsed(nats: float, spread: float) -> None:
    found = posterior(np.full((200, 4), nats), spread * RNG.normal(size=(200, 4)))
    assert found.verdict == "fault"
    assert "0 of 4 dimensions active" in found.evidence


def scene(frames: int = 40, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """A large bright box that slides down and a small dot that slides along; and the empty scene."""
    empty = np.full((size, size, 3), 0.2, dtype=np.float32)
    shown = np.repeat(empty[None], frames, axis=0)
    for t in range(frames):
        shown[t, t % 20 : t % 20 + 10, 2:14] = 0.9
        shown[t, 26:28, 16 + t % 14 : 18 + t % 14] = 0.9
    return shown, empty


def test_a_decoder_that_shows_all_is_healthy() -> None:
    truth, empty = scene()
    found = moving_objects(truth, truth + 0.02, empty)
    assert found.verdict == "healthy"
    assert "error (RMS) 0.020 on all pixels" in found.evidence


def test_a_decoder_of_the_mean_picture_is_blind() -> None:
    truth, empty = scene()
    found = moving_objects(truth, np.repeat(truth.mean(0)[None], len(truth), axis=0), empty)
    assert found.verdict == "fault"
    assert "blind to what moves" in found.what
    assert explained(truth, np.repeat(truth.mean(0)[None], len(truth), axis=0), empty).explained == (0, 0)


def test_a_small_object_that_is_left_out_is_missed_though_the_large_one_is_right() -> None:
    truth, empty = scene()
    without_dot = truth.copy()
    without_dot[:, 26:28, 16:] = 0.2
    found = moving_objects(truth, without_dot, empty)
    assert found.verdict == "fault"
    assert "small objects" in found.what
    assert explained(truth, without_dot, empty).explained[0] > 0.9


def test_objects_are_told_apart_by_their_size_within_a_frame() -> None:
    moving = np.zeros((2, 10, 10), dtype=bool)
    moving[0, 2:5, 2:5] = True  # large, for 2 % of the picture are two pixels
    moving[0, 8, 7:9] = True
    moving[1, 8, 8] = True  # touches that in the next frame; too little to be an object
    small = small_objects(moving)
    assert small[0].sum() == 2
    assert not small[1].any()


def test_where_nothing_moves_nothing_is_said() -> None:
    _, empty = scene()
    still = np.repeat(empty[None], 5, axis=0)
    assert moving_objects(still, still, empty).verdict == "unclear"
