"""What a plan promised against what was paid: the predicted value beside the realised return of the same steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Gap(NamedTuple):
    """Means over one episode's decisions; NaN where no decision could be judged. The gap: predicted - realised."""

    predicted: float
    realised: float


def imagination_gap(
    value: np.ndarray,
    horizons: np.ndarray,
    reward: np.ndarray,
    terminated: bool,
    discount: float,
    tail: np.ndarray | None = None,
) -> Gap:
    """Compare value ``[decisions]``, each predicted over its horizon ``[decisions]``, with reward ``[rows]`` (row 0 is
    the reset: decision t earns ``reward[t + 1]`` first).

    realised_t = Σ_{k=1..H_t} discount^{k-1} · reward_{t+k}. Decisions whose horizon reaches beyond the last row are
    left out, since nobody knows what would have been paid; not so when the episode ``terminated``: nothing is paid
    then. The plan is replaced at the next decision, so a planner that changes its mind for the better earns more than
    it promised.

    tail ``[decisions]``, for plans that end with a critic's value: what the critic says of the belief at each decision.
    That of decision t + H_t, discounted, counts as realised (nothing does after a termination), so that the gap is
    still that of the imagined steps.
    """
    decisions = len(value)
    known = np.arange(decisions) + horizons <= decisions - (tail is not None)  # the last row's belief is not known
    judged = np.flatnonzero(np.isfinite(value) & (known | terminated))
    if len(judged) == 0:
        return Gap(np.nan, np.nan)
    realised = [discounted(reward[t + 1 : t + 1 + horizons[t]], discount) for t in judged]
    if tail is not None:
        after = [(horizons[t], t + horizons[t]) for t in judged]
        realised = [
            r + (discount**h * tail[end] if end < decisions else 0.0)
            for r, (h, end) in zip(realised, after, strict=True)
        ]
    return Gap(float(np.mean(value[judged])), float(np.mean(realised)))


def discounted(reward: np.ndarray, discount: float) -> float:
    return float(np.sum(reward * discount ** np.arange(len(reward))))
