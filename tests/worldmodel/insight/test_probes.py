"""Linear probes on features whose R² is known."""

from __future__ import annotations

import numpy as np
import pytest

from worldmodel.insight.probes import held_out_rows, linear_probe

EPISODES, ROWS = 20, 30


def episode_of_row() -> np.ndarray:
    return np.repeat(np.arange(EPISODES), ROWS)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def states(columns: int = 3) -> np.ndarray:
    return normal(EPISODES * ROWS, columns) * [1.0, 10.0, 0.1][:columns] + 5


def rotation(size: int) -> np.ndarray:
    return np.linalg.qr(normal(size, size, seed=1))[0]


def test_a_rotation_of_the_true_state_tells_all_of_it() -> None:
    state = normal(EPISODES * ROWS, 3) + 5
    probe = linear_probe(state @ rotation(3) - 2, state, episode_of_row())
    np.testing.assert_allclose(probe.r2, 1, atol=1e-6)
    np.testing.assert_allclose(probe.weight, rotation(3).T, atol=1e-3)


def test_noise_tells_nothing() -> None:
    r2 = linear_probe(normal(EPISODES * ROWS, 4, seed=2), states(), episode_of_row()).r2
    assert np.abs(r2).max() < 0.1


def test_noise_on_the_target_cannot_be_explained() -> None:
    """A signal and noise of the same variance: half of it is left."""
    signal = normal(20_000, 1)
    target = signal + normal(20_000, 1, seed=3)
    assert linear_probe(signal, target, np.repeat(np.arange(200), 100)).r2[0] == pytest.approx(0.5, abs=0.03)


def test_every_variable_has_its_own_score() -> None:
    """The second column, ten times as wide as the first and a hundred times as the third, is not told."""
    state = states()
    r2 = linear_probe(state[:, [0, 2]], state, episode_of_row()).r2
    assert r2[0] > 0.999
    assert r2[2] > 0.999
    assert abs(r2[1]) < 0.1


def test_dead_and_doubled_features_change_nothing() -> None:
    state = states()
    nearly_dead = 1e-12 * normal(len(state), 1, seed=4)
    crowded = np.hstack([state, state, np.zeros_like(state), np.full((len(state), 1), 7.0), nearly_dead])
    probe = linear_probe(crowded, state, episode_of_row())
    np.testing.assert_allclose(probe.r2, 1, atol=1e-6)
    assert (probe.weight[6:] == 0).all()


def test_features_that_are_all_dead_leave_the_mean() -> None:
    probe = linear_probe(np.zeros((EPISODES * ROWS, 2)), states(), episode_of_row())
    assert (probe.weight == 0).all()
    assert np.abs(probe.r2).max() < 0.1


def test_a_target_that_does_not_vary_has_no_score() -> None:
    target = np.hstack([states(1), np.full((EPISODES * ROWS, 1), 0.1)])
    r2 = linear_probe(states(1), target, episode_of_row()).r2
    assert r2[0] > 0.999
    assert np.isnan(r2[1])


def test_nothing_is_learnt_from_held_out_episodes() -> None:
    """One feature per episode, set in its rows alone: it tells a fitted episode's constant and no other's."""
    episode = episode_of_row()
    constant = normal(EPISODES)[episode][:, None]
    assert linear_probe(np.eye(EPISODES)[episode], constant, episode).r2[0] < 0.1


def test_whole_episodes_are_held_out_whatever_their_numbers() -> None:
    episode = np.repeat([70, 3, 9, 4, 1, 8], 2)  # in order: 1 3 4 8 9 70
    assert set(episode[held_out_rows(episode, 3)]) == {4, 70}


def test_float32_features_are_probed_in_float64() -> None:
    state = states() + 1000
    assert linear_probe(state.astype(np.float32), state, episode_of_row()).r2[0] > 0.999


@pytest.mark.parametrize(
    ("features", "targets", "episode", "said"),
    [
        (np.zeros((4, 2)), np.zeros((3, 1)), np.arange(4), r"shapes \(4, 2\), \(3, 1\), \(4,\) came"),
        (np.zeros((4, 2)), np.zeros(4), np.arange(4), "A probe takes"),
        (np.array([[0.0], [np.nan]]), np.zeros((2, 1)), np.arange(2), "row 1, column 0 holds nan"),
        (np.zeros((2, 1)), np.array([[np.inf], [0.0]]), np.arange(2), "targets must be finite; row 0"),
        (np.zeros((8, 1)), np.zeros((8, 1)), np.repeat(np.arange(4), 2), "number of episodes, 4; 5 came"),
        (np.zeros((0, 1)), np.zeros((0, 1)), np.arange(0), "number of episodes, 0"),
    ],
)
def test_what_cannot_be_probed_is_refused(
    features: np.ndarray, targets: np.ndarray, episode: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        linear_probe(features, targets, episode)
