"""Do frames repeat? Then the action repeat is wrong: several rows are stored for each step of the world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldmodel.diagnosis.finding import Finding
from worldmodel.episode import Episode

QUESTION = "every row shows a new frame"
MOST_SHARE = 0.3  # of the frames that may repeat the one before, those at rest not counted
REST = 10  # repeats on end after which the scene is called at rest


def duplicates(episodes: Sequence[Episode]) -> Finding:
    """A fault where three in ten frames repeat the one before, in a scene that is not at rest."""
    same = [(e.observation[1:] == e.observation[:-1]).all((1, 2, 3)) for e in episodes]
    moving = [(repeats, ~at_rest(repeats)) for repeats in same]
    counted = sum(int(there.sum()) for _, there in moving)
    repeated = sum(int((repeats & there).sum()) for repeats, there in moving)
    resting = 1 - counted / max(1, sum(map(len, same)))
    if counted == 0:
        return Finding(QUESTION, "unclear", "nothing moves")
    share = repeated / counted
    evidence = f"{share:.0%} of {counted} frames repeat the one before ({resting:.0%} more are at rest)"
    if share < MOST_SHARE:
        return Finding(QUESTION, "healthy", evidence)
    every = round(1 / max(1 - share, 1e-9))
    return Finding(
        QUESTION,
        "fault",
        f"{evidence}; a new frame comes every {1 / (1 - share):.1f} rows",
        "Frames repeat while the scene moves: rows are stored more often than the picture changes.",
        f"Keep every {every}th row (add up rewards), or raise the action repeat so that each row is a new picture.",
    )


def at_rest(repeats: np.ndarray) -> np.ndarray:
    """Which ``[steps]`` belong to a run of at least `REST` repeats."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], repeats.astype(np.int8), [0]])))
    rest = np.zeros(len(repeats), dtype=bool)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        rest[begin:end] = end - begin >= REST
    return rest
