"""Latents in two or three dimensions, and how far such a map can be believed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist


class Projection(NamedTuple):
    """An affine map from latents to the page: ``(latents - mean) @ axes``.

    mean ``[latent]``, axes ``[latent, dims]`` (orthonormal columns; zeros where the latent has fewer dimensions), share
    ``[dims]``: how much of the latents' variance lies along each axis.
    """

    mean: np.ndarray
    axes: np.ndarray
    share: np.ndarray

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """``[..., latent] -> [..., dims]``."""
        return (latents - self.mean) @ self.axes


def latent_map(latents: np.ndarray, dims: int = 3) -> Projection:
    """The latent itself where it has at most ``dims`` dimensions, else its principal components (Pearson 1901).

    latents ``[rows, latent]``. The largest weight of every axis is positive, so that a map does not flip between runs.
    Raises ValueError for fewer than two rows and for values that are not finite.
    """
    check(latents)
    rows, width = latents.shape
    if width <= dims:
        axes = np.eye(width, dims)
        return Projection(np.zeros(width), axes, shares(latents @ axes, latents))
    centred = latents.astype(np.float64) - latents.mean(0, dtype=np.float64)
    axes = np.linalg.eigh(centred.T @ centred / rows)[1][:, ::-1][:, :dims]
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0))
    return Projection(latents.mean(0, dtype=np.float64), axes, shares(centred @ axes, centred))


def shares(projected: np.ndarray, latents: np.ndarray) -> np.ndarray:
    total = latents.var(0).sum()
    return projected.var(0) / total if total > 0 else np.zeros(projected.shape[1])


def trustworthiness(original: np.ndarray, embedded: np.ndarray, neighbours: int = 12) -> float:
    """Whether neighbours on the map are neighbours in truth: 1 all, about 0.5 as many as by chance.

    original ``[rows, ...]`` and embedded ``[rows, ...]`` are two descriptions of the same rows, compared by Euclidean
    distance (scale columns that have different units). Venna and Kaski 2001, eq. 1:
    ``1 - 2 / (n k (2n - 3k - 1)) Σ_i Σ_{j new in i's neighbourhood} (rank_i(j) - k)``. Takes ``rows²`` memory.
    Raises ValueError where rows do not match or are fewer than two neighbourhoods.
    """
    check_pair(original, embedded, neighbours)
    rows = len(original)
    rank = ranks(original)
    on_map = np.argsort(ranks(embedded), axis=1)[:, 1 : neighbours + 1]
    beyond = np.take_along_axis(rank, on_map, 1) - neighbours
    worst = rows * neighbours * (2 * rows - 3 * neighbours - 1) / 2
    return float(1 - beyond.clip(min=0).sum() / worst)


def continuity(original: np.ndarray, embedded: np.ndarray, neighbours: int = 12) -> float:
    """Whether neighbours in truth are neighbours on the map: `trustworthiness` the other way round (ibid., eq. 2)."""
    return trustworthiness(embedded, original, neighbours)


def ranks(points: np.ndarray) -> np.ndarray:
    """``[rows, rows]``: of row i, how near each j is; 0 itself, 1 the nearest."""
    distance = cdist(points, points)
    np.fill_diagonal(distance, -1)
    order = np.argsort(distance, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(points))[None], 1)
    return rank


def check(latents: np.ndarray) -> None:
    if latents.ndim != 2 or len(latents) < 2 or not np.isfinite(latents).all():
        raise ValueError(
            f"A map takes at least two finite latents, [rows, latent]; the shape {latents.shape} with "
            f"{np.count_nonzero(~np.isfinite(latents))} non-finite values came. Flatten batch and time."
        )


def check_pair(original: np.ndarray, embedded: np.ndarray, neighbours: int) -> None:
    if original.ndim != 2 or embedded.ndim != 2 or len(original) != len(embedded):
        raise ValueError(
            f"Two descriptions of the same rows are compared, [rows, ...] each; the shapes {original.shape} and "
            f"{embedded.shape} came."
        )
    if not 1 <= neighbours < len(original) / 2:
        raise ValueError(
            f"neighbours must be at least 1 and less than half of the {len(original)} rows; {neighbours} came. "
            "Give more rows or ask for fewer neighbours."
        )
