"""Do actions vary? A model learns nothing of an action that never does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldmodel.diagnosis.finding import Finding
from worldmodel.episode import Episode

QUESTION = "actions vary in every dimension"
LEAST_STD = 0.02  # of the range [-1, 1]


def action_range(episodes: Sequence[Episode]) -> Finding:
    """A fault where the standard deviation of a dimension is below a hundredth of the range."""
    actions = np.concatenate([episode.action[1:] for episode in episodes])
    std = actions.std(0)
    evidence = f"standard deviation {listed(std)} in [-1, 1]"
    still = np.flatnonzero(std < LEAST_STD)
    if len(still) == 0:
        return Finding(QUESTION, "healthy", evidence)
    which = "All actions" if len(still) == len(std) else f"Actions in dimension {', '.join(map(str, still))}"
    return Finding(
        QUESTION,
        "fault",
        f"{evidence}; means {listed(actions.mean(0))}",
        f"{which} (nearly) never change, so what they do cannot be learned.",
        "Scale actions so that their limits are -1 and 1, explore more, or leave out a dimension that is not used.",
    )


def listed(values: np.ndarray, most: int = 6) -> str:
    return ", ".join(f"{value:.3g}" for value in values[:most]) + (", ..." if len(values) > most else "")
