"""Whether single latent dimensions stand for single factors of the true state: the mutual information gap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 20


class MutualInformationGap(NamedTuple):
    """information ``[latent, factors]`` in nats; entropy ``[factors]``; gap ``[factors]`` in [0, 1], NaN where a factor
    does not vary. mean: of the gaps.
    """

    information: np.ndarray
    entropy: np.ndarray
    gap: np.ndarray

    @property
    def mean(self) -> float:
        known = self.gap[np.isfinite(self.gap)]
        return float(known.mean()) if len(known) else float("nan")


def mutual_information_gap(latents: np.ndarray, factors: np.ndarray, bins: int = BINS) -> MutualInformationGap:
    """MIG (Chen 2018, eq. 6): per factor, the mutual information of the best latent dimension less that of the second
    best, over the factor's entropy. 1: one dimension tells the factor and no other does; 0: two tell it equally well.

    latents ``[rows, latent]`` (posterior means), factors ``[rows, factors]``. Both are cut into ``bins`` of equal
    counts, so the score does not change under monotone maps; with few rows it is too low rather than too high, since
    chance raises the second best. Raises ValueError for fewer than ``bins²`` rows or shapes that do not fit.
    """
    if latents.ndim != 2 or factors.ndim != 2 or len(latents) != len(factors) or len(latents) < bins**2:
        raise ValueError(
            f"The gap takes latents [rows, latent] and factors [rows, factors] of the same rows, bins² = {bins**2} at "
            f"least; the shapes {latents.shape} and {factors.shape} came. Give more rows or fewer bins."
        )
    codes = [binned(column, bins) for column in latents.T]
    truths = [binned(column, bins) for column in factors.T]
    information = np.array([[mutual_information(code, truth, bins) for truth in truths] for code in codes])
    entropy = np.array([mutual_information(truth, truth, bins) for truth in truths])
    best = np.sort(np.vstack([information, np.zeros((2, len(truths)))]), axis=0)[::-1]
    varies = entropy > 0
    return MutualInformationGap(
        information, entropy, np.where(varies, (best[0] - best[1]) / np.where(varies, entropy, 1), np.nan)
    )


def binned(column: np.ndarray, bins: int) -> np.ndarray:
    """Number of the bin of each value; equal values share one, and a constant has a single bin."""
    edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, column, side="right") if np.ptp(column) else np.zeros(len(column), int)


def mutual_information(a: np.ndarray, b: np.ndarray, bins: int) -> float:
    """In nats, of two columns of bin numbers below ``bins``."""
    joint = np.bincount(a * bins + b, minlength=bins**2).reshape(bins, bins) / len(a)
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / apart[there])).sum())
