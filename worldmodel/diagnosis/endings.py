"""Is the time limit stored as a termination? Then the model learns that the world ends when the clock runs out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldmodel.diagnosis.finding import Finding
from worldmodel.episode import Episode

QUESTION = "a time limit is not a termination"
LEAST_EPISODES = 8  # of the full length; fewer may have ended together by chance
FULL_SHARE, TERMINATED_SHARE = 0.2, 0.9


def endings(episodes: Sequence[Episode]) -> Finding:
    """A fault where a fifth of all episodes are of the one full length and nine in ten of these are terminated."""
    rows = np.array([episode.rows for episode in episodes])
    ended = np.array([bool(episode.terminated[-1]) for episode in episodes])
    full = rows == rows.max()
    evidence = (
        f"{ended.sum()} of {len(rows)} episodes terminated; of the {full.sum()} with the full {rows.max() - 1} steps, "
        f"{(ended & full).sum()}"
    )
    if full.sum() < FULL_SHARE * len(rows) or ended[full].mean() < TERMINATED_SHARE:
        return Finding(QUESTION, "healthy", evidence)
    if full.sum() < LEAST_EPISODES:
        return Finding(QUESTION, "unclear", f"{evidence}: too few to tell")
    return Finding(
        QUESTION,
        "fault",
        evidence,
        "Episodes that ran out of time are stored as terminated: all end at the same length.",
        "Store truncated, not terminated, where the clock ended the episode (is_terminal false, discount 1).",
    )
