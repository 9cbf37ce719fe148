"""Which windows of a replay are drawn: all rows as often as each other, or windows that hold a row that is well paid.

A window of ``length`` rows slides over an episode of ``rows`` rows from where it touches the first row alone to where
it touches the last alone, ``rows + length - 1`` places; then it is pushed inside. So every row, in short episodes and
at ends too, is drawn as often as a row in the middle of a long episode, and less than twice as often. (Starts drawn
evenly inside the episode would show the last row, the only one that teaches termination, ``length`` times less.) The
places of all episodes lie in one line, episode after episode.
"""

from __future__ import annotations

import numpy as np


def even_places(rows: np.ndarray, length: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """``[count]`` places, all equally likely, in episodes of ``rows [episodes]``."""
    return rng.integers(int((rows + length - 1).sum()), size=count)


def paid_places(rows: np.ndarray, rewards: np.ndarray, length: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """``[count]`` places of windows that hold a row, drawn evenly, that pays more than the mean (after Jaderberg 2017,
    section 3.2); even ones where all rows pay the same.

    rewards: of all rows, episode after episode.
    """
    paid = np.flatnonzero(rewards > rewards.mean())
    if len(paid) == 0:
        return even_places(rows, length, count, rng)
    drawn = rng.choice(paid, count)
    episode = np.searchsorted(np.cumsum(rows), drawn, side="right")
    return drawn + episode * (length - 1) + rng.integers(length, size=count)


def starts_of(places: np.ndarray, rows: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Episode and first row within it, each ``[count]``, of the windows at ``places``."""
    ends = np.cumsum(rows + length - 1)
    episode = np.searchsorted(ends, places, side="right")
    place = places - (ends - (rows + length - 1))[episode]
    return episode, np.clip(place - (length - 1), 0, np.maximum(rows[episode] - length, 0))
