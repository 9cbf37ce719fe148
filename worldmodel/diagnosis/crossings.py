"""Does an episode contain the start of another? Then windows cross from one to the next and teach teleportation.

A row betrays itself when it is no likely successor of the row before, and a likely first row instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldmodel.diagnosis.finding import Finding
from worldmodel.diagnosis.positions import positions
from worldmodel.diagnosis.smooth_fit import smooth_fit, standardised
from worldmodel.episode import Episode

QUESTION = "no episode contains another's start"
LEAST_ROWS = 200
SURPRISE = 12.0  # nats by which a row is less likely as a successor than a usual one
FAVOUR, FAVOUR_FRAMES = 5.0, 14.0  # nats by which it is likelier as a first row; frames tell no velocity
ROWS, RIDGE, CHUNK = 1200, 1e-2, 25
LEAST, LEAST_FRAMES, LEAST_SHARE = 2, 4, 0.002  # suspects, and their share of the rows where only frames are known
NEAR_START = 4  # rows after a start that look like starts themselves


def crossings(episodes: Sequence[Episode]) -> Finding:
    """Count rows that look like the start of another episode."""
    known = episodes[0].state.shape[1] > 0
    number, row, rows = starts_inside(episodes, known)
    if rows < LEAST_ROWS:
        return Finding(QUESTION, "unclear", f"fewer than {LEAST_ROWS} rows")
    seen = "the true state jumps" if known else "the frames jump"
    evidence = f"{seen} to where episodes begin in {len(row)} of {rows} rows"
    if len(row) < (LEAST if known else max(LEAST_FRAMES, LEAST_SHARE * rows)):
        return Finding(QUESTION, "healthy", evidence)
    places = ", ".join(f"row {r} of episode {n}" for n, r in zip(number[:3], row[:3], strict=True))
    return Finding(
        QUESTION,
        "fault",
        f"{evidence}, e.g. {places}",
        "Episodes run into each other: is_first is missing where a new one begins.",
        "Cut the data where the environment was reset, one episode per file, and import it again.",
    )


def starts_inside(episodes: Sequence[Episode], known: bool, seed: int = 0) -> tuple[list[int], list[int], int]:
    """Episode and row of every suspect, and the number of rows looked at."""
    features = [e.state for e in episodes] if known else positions(episodes)
    past, after, step, number, row = table(features, [e.action for e in episodes], known)
    if len(past) < LEAST_ROWS:
        return [], [], len(past)
    spread = np.concatenate(features).std(0) + 1e-12
    successor = log_successor(unexplained(past, step, seed), spread)
    first = log_first(after, np.stack([one[0] for one in features]), spread)
    surprise, favour = np.median(successor) - successor, first - successor
    suspect = (surprise > SURPRISE) & (favour > (FAVOUR if known else FAVOUR_FRAMES))
    return number[suspect].tolist(), row[suspect].tolist(), len(past)


def table(
    features: Sequence[np.ndarray], actions: Sequence[np.ndarray], known: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """past ``[rows, inputs]``, after and step ``[rows, features]``, episode and row ``[rows]``."""
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    for number, (one, action) in enumerate(zip(features, actions, strict=True)):
        t = np.arange(1 if known else NEAR_START, len(one))
        before = one[t - 1]
        seen = [before, np.sin(before), np.cos(before)] if known else [before, before - one[t - 2]]
        values = (np.hstack([*seen, action[t]]), one[t], one[t] - before, np.full(len(t), number), t)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    past, after, step, number_of, row = (np.concatenate(column) for column in columns)
    return past, after, step, number_of, row


def unexplained(past: np.ndarray, step: np.ndarray, seed: int) -> np.ndarray:
    """What of each step cannot be predicted, ``[rows, features]``, by a fit on the other half of the rows."""
    rng, half = np.random.default_rng(seed), np.arange(len(past)) // CHUNK % 2
    past, middle = standardised(past), np.median(step, 0)
    most = np.quantile(np.abs(step - middle), 0.98, axis=0)
    usual, left = np.clip(step - middle, -most, most), np.zeros_like(step)
    for fold in (0, 1):
        fit, test = rng.permutation(np.flatnonzero(half == fold))[:ROWS], np.flatnonzero(half != fold)
        left[test] = step[test] - middle - smooth_fit(past[fit], usual[fit], past[test], RIDGE)
    return left


def log_successor(left: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Log-density ``[rows]`` of the unexplained: Student's t with two degrees of freedom, since outliers are usual."""
    scale = np.maximum(1.4826 * np.median(np.abs(left), 0), 1e-3 * spread)
    return (-np.log(scale) - 1.5 * np.log1p(np.square(left / scale) / 2) - 0.5 * np.log(8)).sum(1)


def log_first(after: np.ndarray, first: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Log-density ``[rows]`` of rows as first rows: a normal fitted to the first rows of all episodes."""
    scale = np.maximum(first.std(0), 0.03 * spread)
    return (-np.log(scale) - 0.5 * np.square((after - np.median(first, 0)) / scale) - 0.5 * np.log(2 * np.pi)).sum(1)
