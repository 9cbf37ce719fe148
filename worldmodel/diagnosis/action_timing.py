"""Which stored action moved the world? Actions shifted by one row let every loss fall and every planner fail.

The change from row t-1 to row t is predicted from what was before, and then also from the action in row t + lag. The
lag at which the action explains most is where it belongs; here that is 0 (row t holds the action that led to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from worldmodel.diagnosis.finding import Finding
from worldmodel.diagnosis.positions import positions
from worldmodel.diagnosis.smooth_fit import smooth_fit, standardised
from worldmodel.episode import Episode

QUESTION = "actions are where they belong"
LAGS = (-2, -1, 0, 1, 2)
LEAST_ROWS = 400
LEAST_GAIN = 0.2  # share of the unexplained change that some lag must explain before anything is said
CLEARER = 0.85  # error at the best lag over error at lag 0 below which the lag is called wrong
ROWS, HELD_OUT_ROWS, RIDGES = 1500, 700, (1e-3, 1e-1)
CHUNK = 25  # rows; every fourth chunk is held out


class Lags(NamedTuple):
    """gain ``[lags]``: the share of the change, unexplained by the past, that the action at each lag explains.

    seen: in the true state, or in the frames.
    """

    gain: np.ndarray
    rows: int
    seen: str


def action_timing(episodes: Sequence[Episode]) -> Finding:
    """Judge the lag at which actions explain most."""
    return judge(by_lag(episodes))


def judge(lags: Lags | None) -> Finding:
    if lags is None or lags.gain.max() < LEAST_GAIN:
        why = f"fewer than {LEAST_ROWS} rows" if lags is None else f"no action explains the change of {lags.seen}"
        return Finding(QUESTION, "unclear", f"{why}{'' if lags is None else ': ' + said(lags)}")
    best, left = LAGS[int(lags.gain.argmax())], 1 - lags.gain
    if best == 0 or left.min() > CLEARER * left[LAGS.index(0)]:
        return Finding(QUESTION, "healthy", said(lags))
    later = "later" if best < 0 else "earlier"
    where = "the action taken in row t is stored there" if best == -1 else f"the action is stored {best:+d} rows away"
    return Finding(
        QUESTION,
        "fault",
        said(lags),
        f"Actions look shifted: row t must hold the action that led to row t, but {where}.",
        f"Move all actions {abs(best)} row{'s' * (abs(best) > 1)} {later} within their episodes (row 0: zeros)"
        + (", e.g. `worldmodel data import --actions taken-at`." if best == -1 else ".")
        + ("" if lags.seen == "the true state" else " Right as it is only if an action cannot be seen at once."),
    )


def said(lags: Lags) -> str:
    shares = ", ".join(
        f"{lag:+d}: {max(gain, 0):.0%}" if lag else f"0: {max(gain, 0):.0%}"
        for lag, gain in zip(LAGS, lags.gain, strict=True)
    )
    return f"of the change of {lags.seen} that the past leaves open, the action explains, by lag, {shares}"


def by_lag(episodes: Sequence[Episode], seed: int = 0) -> Lags | None:
    """None where there are too few rows to tell."""
    known = episodes[0].state.shape[1] > 0
    features = [e.state for e in episodes] if known else positions(episodes)
    past, change, actions, chunk = table(features, [e.action for e in episodes], angles=known)
    if len(past) < LEAST_ROWS:
        return None
    rng, held_out = np.random.default_rng(seed), chunk % 4 == 3
    fit = rng.permutation(np.flatnonzero(~held_out))[:ROWS]
    test = rng.permutation(np.flatnonzero(held_out))[:HELD_OUT_ROWS]
    past, change = standardised(past), bounded(change)
    alone = errors(past, change, fit, test)
    weight = np.sqrt(past.shape[1] / (2 * actions.shape[-1]))  # lets the action count as half of the past does
    with_action = [errors(np.hstack([past, weight * standardised(a)]), change, fit, test) for a in actions]
    gain = 1 - np.stack(with_action) / np.maximum(alone, 1e-12)
    return Lags(gain[:, gain.max(0).argmax()], len(past), "the true state" if known else "the frames")


def table(
    features: Sequence[np.ndarray], actions: Sequence[np.ndarray], angles: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """past ``[rows, inputs]``, change ``[rows, features]``, actions ``[lags, rows, action]``, chunk ``[rows]``.

    angles: whether features may be angles in rad, seen as sine and cosine too. Of frames the last change belongs to the
    past, and the change of that is what is predicted: a picture shows no velocity.
    """
    pasts, changes, moved, chunks, begun = [], [], [], [], 0
    for one, action in zip(features, actions, strict=True):
        t = np.arange(3, len(one) - max(LAGS))
        if len(t) == 0:
            continue
        before, last = one[t - 1], one[t - 1] - one[t - 2]
        step = one[t] - before
        pasts.append(np.hstack([before, np.sin(before), np.cos(before)] if angles else [before, last]))
        changes.append(step if angles else step - last)
        moved.append(np.stack([action[t + lag] for lag in LAGS]))
        chunks.append(begun + np.arange(len(t)) // CHUNK)
        begun = int(chunks[-1][-1]) + 1
    if not pasts:
        return np.zeros((0, 1)), np.zeros((0, 1)), np.zeros((len(LAGS), 0, 1)), np.zeros(0, dtype=int)
    return np.concatenate(pasts), np.concatenate(changes), np.concatenate(moved, 1), np.concatenate(chunks)


def bounded(change: np.ndarray) -> np.ndarray:
    """Changes from their median, cut off where the rarest fiftieth begins: a collision must not decide."""
    centred = change - np.median(change, 0)
    most = np.quantile(np.abs(centred), 0.98, axis=0)
    return np.clip(centred, -most, most) / np.maximum(most, 1e-12)


def errors(inputs: np.ndarray, targets: np.ndarray, fit: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Square error of each target on the rows ``test``, by the better of two strengths of regularisation.

    The mean of the smaller four fifths: where little data lies a fit is wild, and that must not decide either.
    """
    mean, counted = targets[fit].mean(0), int(0.8 * len(test))
    predicted = [smooth_fit(inputs[fit], targets[fit] - mean, inputs[test], ridge) for ridge in RIDGES]
    return np.min([np.sort(np.square(targets[test] - mean - one), 0)[:counted].mean(0) for one in predicted], axis=0)
