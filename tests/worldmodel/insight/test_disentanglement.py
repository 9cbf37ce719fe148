"""The gap on planted factors: alone in a dimension, shared by two, mixed, absent."""

import numpy as np
import pytest

from worldmodel.insight.disentanglement import mutual_information_gap

ROWS = 8000


def uniform(columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(ROWS, columns))


def test_a_factor_alone_in_a_dimension_has_a_gap_near_one() -> None:
    factors = uniform(2)
    latents = np.hstack([np.exp(3 * factors[:, :1]), uniform(1, seed=1), -factors[:, 1:]])  # monotone, noise, monotone
    found = mutual_information_gap(latents, factors)
    assert (found.gap > 0.97).all()
    assert found.mean > 0.97
    np.testing.assert_allclose(found.entropy, np.log(20), atol=1e-3)
    assert found.information[0, 0] == pytest.approx(np.log(20), abs=1e-3)


def test_a_factor_told_twice_has_none() -> None:
    factors = uniform(1)
    assert mutual_information_gap(np.hstack([factors, factors**3]), factors).gap[0] == pytest.approx(0, abs=1e-6)


def test_a_rotation_mixes_factors() -> None:
    factors = uniform(2)
    turned = factors @ np.array([[1.0, 1.0], [-1.0, 1.0]])
    assert mutual_information_gap(turned, factors).mean < 0.1


def test_noise_has_none_and_a_constant_has_no_score() -> None:
    found = mutual_information_gap(uniform(3, seed=2), np.hstack([uniform(1), np.ones((ROWS, 1))]))
    assert found.gap[0] < 0.01
    assert np.isnan(found.gap[1])


def test_a_single_dimension_is_compared_with_nothing() -> None:
    factors = uniform(1)
    assert mutual_information_gap(factors, factors).gap[0] == pytest.approx(1)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="400 at least"):
        mutual_information_gap(np.zeros((399, 2)), np.zeros((399, 1)))
