"""Two grey frames as one picture, as the published locally linear models see a system that moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def stacked(draw: Callable[[np.ndarray], np.ndarray], previous: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Pictures ``[batch, size, size, 2]`` of positions ``[batch, position]``; draw paints ``[batch, size, size, 1]``.

    A frame shows positions alone; the two together show the velocity, as coarsely as their pixels are.
    """
    return np.concatenate([draw(previous), draw(now)], axis=-1)


def whole_pixels(place: np.ndarray, size: int) -> np.ndarray:
    """Places ``[batch, 2]`` in pixels (column, row) cut to whole ones, in the picture coordinates of `envs.draw`.

    The published pictures are drawn between whole pixels. Half a pixel less would tell more of the state than their
    models were told.
    """
    cut = np.trunc(place) + 0.5  # a whole number is the centre of a pixel, which lies half a pixel from its edge
    return (cut * (2 / size) - 1) * (1, -1)
