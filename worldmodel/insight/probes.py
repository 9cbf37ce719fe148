"""Linear probes: what of the true state can be read off features by a straight line (Alain and Bengio 2017)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RIDGE = 1e-4  # of the mean square of a standardised feature: decides only between features that say the same
DEAD = 1e-6  # a feature that varies less than this share of the liveliest one says nothing


class LinearProbe(NamedTuple):
    """``targets ≈ features @ weight + bias``: weight ``[features, targets]``, bias ``[targets]``.

    r2: ``[targets]``, share of each target's variance explained on the held-out episodes; 1 is perfect, 0 no better
    than their mean, NaN where the target does not vary there. A guess can be worse than the mean: below 0.
    """

    weight: np.ndarray
    bias: np.ndarray
    r2: np.ndarray


def linear_probe(features: np.ndarray, targets: np.ndarray, episode: np.ndarray, held_out: int = 5) -> LinearProbe:
    """Ridge regression in closed form on standardised features, in float64.

    features ``[rows, features]``, targets ``[rows, targets]`` (give angles as sine and cosine), episode ``[rows]``: the
    number of the episode that a row is of. Every ``held_out``-th episode is not fitted but measured, since rows of one
    episode are too alike to test each other. Raises ValueError for shapes that do not fit, values that are not finite
    and too few episodes.
    """
    check(features, targets, episode)
    test = held_out_rows(episode, held_out)
    weight, bias = ridge(features[~test].astype(np.float64), targets[~test].astype(np.float64))
    return LinearProbe(weight, bias, r_squared(features[test] @ weight + bias, targets[test]))


def held_out_rows(episode: np.ndarray, held_out: int) -> np.ndarray:
    """Which rows ``[rows]`` are of every ``held_out``-th episode."""
    number = np.unique(episode, return_inverse=True)[1]
    episodes = number.max(initial=-1) + 1
    if not 2 <= held_out <= episodes:
        raise ValueError(
            f"Every held_out-th episode is held out, from 2 to the number of episodes, {episodes}; {held_out} came. "
            "Give more episodes, or a smaller held_out."
        )
    return number % held_out == held_out - 1


def ridge(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight ``[features, targets]`` and bias ``[targets]``; dead features have weight 0."""
    mean, std = features.mean(0), features.std(0)
    alive = std > DEAD * std.max(initial=0)
    scale = np.where(alive, 1 / np.where(alive, std, 1), 0)
    x, offset = (features - mean) * scale, targets.mean(0)
    gram = x.T @ x / len(x) + RIDGE * np.eye(x.shape[1])
    weight = scale[:, None] * np.linalg.solve(gram, x.T @ (targets - offset) / len(x))
    return weight, offset - mean @ weight


def r_squared(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Share of the variance of each column explained, ``[rows, targets] -> [targets]``; NaN for a constant one."""
    error, spread = np.square(predicted - truth).sum(0), np.square(truth - truth.mean(0)).sum(0)
    varies = truth.std(0) > 1e-9 * np.abs(truth).max(0)
    return np.where(varies, 1 - error / np.where(varies, spread, 1), np.nan)


def check(features: np.ndarray, targets: np.ndarray, episode: np.ndarray) -> None:
    shapes = features.shape, targets.shape, episode.shape
    if [len(shape) for shape in shapes] != [2, 2, 1] or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(
            "A probe takes features [rows, features], targets [rows, targets] and episode [rows]; "
            f"the shapes {', '.join(map(str, shapes))} came. Flatten batch and time, and leave out padded rows."
        )
    for name, values in (("features", features), ("targets", targets)):
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            raise ValueError(
                f"{name} must be finite; row {bad[0][0]}, column {bad[0][1]} holds {values[tuple(bad[0])]}. "
                "Look where the model diverged, or leave these rows out."
            )
