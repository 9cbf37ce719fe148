"""Maps of latents whose answers are known: rotations, rolled sheets, noise."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from worldmodel.insight.latent_map import continuity, latent_map, trustworthiness


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def rotation(size: int) -> np.ndarray:
    return np.linalg.qr(normal(size, size, seed=1))[0]


def test_a_rotation_keeps_all_neighbours() -> None:
    state = normal(300, 3)
    latent = state @ rotation(3) + 7
    assert trustworthiness(state, latent) == 1
    assert continuity(state, latent) == 1


def test_noise_keeps_them_by_chance() -> None:
    state, latent = normal(600, 3), normal(600, 3, seed=2)
    assert trustworthiness(state, latent) == pytest.approx(0.5, abs=0.05)
    assert continuity(state, latent) == pytest.approx(0.5, abs=0.05)


def test_folding_is_untrustworthy_and_tearing_is_discontinuous() -> None:
    """A strip folded in half lays far ends on each other; cut in two and moved apart, it parts neighbours."""
    strip = np.random.default_rng(0).uniform(size=(500, 1))
    folded = np.abs(strip - 0.5)
    assert trustworthiness(strip, folded) < 0.9
    assert continuity(strip, folded) > 0.99
    pieces = np.floor(strip * 40) * 37 % 40 * 3 + strip * 40 % 1  # 40 pieces in another order, far apart
    assert continuity(strip, pieces) < 0.95


def test_the_formula_is_venna_and_kaskis() -> None:
    """Term by term, as it stands in the paper."""
    a, b, n, k = normal(40, 3), normal(40, 2, seed=3), 40, 5
    near_a, near_b = np.argsort(cdist(a, a), 1), np.argsort(cdist(b, b), 1)
    total = 0
    for i in range(n):
        rank = {int(j): r for r, j in enumerate(near_a[i])}
        total += sum(rank[int(j)] - k for j in near_b[i, 1 : k + 1] if rank[int(j)] > k)
    assert trustworthiness(a, b, k) == pytest.approx(1 - 2 * total / (n * k * (2 * n - 3 * k - 1)))


def test_the_widest_directions_are_found_in_order() -> None:
    wide = normal(2000, 3) * [3.0, 1.0, 0.1]
    latents = np.hstack([wide, np.zeros((2000, 4))]) @ rotation(7) + 5
    found = latent_map(latents)
    np.testing.assert_allclose(found.share, np.array([9, 1, 0.01]) / 10.01, atol=0.02)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.abs(np.corrcoef(found(latents).T, wide.T)[:3, 3:]), np.eye(3), atol=0.1)


def test_a_small_latent_is_its_own_map() -> None:
    latents = normal(50, 2)
    np.testing.assert_array_equal(latent_map(latents, dims=3)(latents), np.hstack([latents, np.zeros((50, 1))]))
    assert latent_map(latents, dims=2).share.sum() == pytest.approx(1)


def test_constant_latents_have_no_shares() -> None:
    assert (latent_map(np.ones((5, 4))).share == 0).all()


@pytest.mark.parametrize("latents", [np.zeros((1, 3)), np.zeros(4), np.full((5, 2), np.nan)])
def test_what_is_no_cloud_of_latents_is_refused(latents: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least two finite latents"):
        latent_map(latents)


def test_rows_must_match_and_suffice() -> None:
    with pytest.raises(ValueError, match="same rows"):
        trustworthiness(normal(30, 2), normal(31, 2))
    with pytest.raises(ValueError, match="less than half of the 20 rows; 12 came"):
        continuity(normal(20, 2), normal(20, 2))
