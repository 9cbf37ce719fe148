"""One finished episode, as it is collected, stored and replayed.

Row ``t`` holds the observation ``o_t``, the action ``a_{t-1}`` that led to it, and the reward and termination that came
with it. An episode of T steps has ``rows = T + 1``; row 0 is the reset: no action, no reward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Episode(NamedTuple):
    """All rows of one episode, reset included; never a part of one.

    observation: ``[rows, height, width, channel]`` uint8.
    action: ``[rows, action]`` float32 in [-1, 1]; row 0 is zeros.
    reward: ``[rows]`` float32, on arrival; row 0 is zero.
    terminated: ``[rows]`` bool, in the last row at the most. An episode cut by the clock has none.
    is_first: ``[rows]`` bool, row 0 and no other.
    state: ``[rows, state]`` float64, the true state for probes and plots; width 0 where the environment tells none.
    """

    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    is_first: np.ndarray
    state: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.reward)


def check(episode: Episode) -> None:
    """Raise ValueError, saying the rule, what came and what to do, unless ``episode`` is as `Episode` describes."""
    _check_form("observation", episode.observation, np.uint8, "[rows, height, width, channel]")
    _check_form("action", episode.action, np.float32, "[rows, action]")
    _check_form("reward", episode.reward, np.float32, "[rows]")
    _check_form("terminated", episode.terminated, np.bool_, "[rows]")
    _check_form("is_first", episode.is_first, np.bool_, "[rows]")
    _check_form("state", episode.state, np.float64, "[rows, state]")
    _check_rows(episode)
    _check_finite(episode)
    _check_actions(episode.action)
    _check_reset_row(episode)
    _check_flags(episode)


def _check_form(name: str, array: np.ndarray, dtype: type[np.generic], axes: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        came = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"Episode.{name} must be a NumPy array of {dtype.__name__}; {came} came. Convert it first.")
    if array.ndim != axes.count(",") + 1:
        raise ValueError(f"Episode.{name} must have the axes {axes}; the shape {array.shape} came. Reshape it first.")


def _check_rows(episode: Episode) -> None:
    rows = {name: len(array) for name, array in zip(episode._fields, episode, strict=True)}
    if len(set(rows.values())) > 1:
        raise ValueError(
            f"All fields of an episode must have the same number of rows; {rows} came. "
            "Store the reset as row 0, with an action of zeros and no reward."
        )
    if episode.rows < 2:
        raise ValueError(
            f"An episode must have at least 2 rows, the reset and one step; {episode.rows} came. "
            "Leave out episodes without a step."
        )


def _check_finite(episode: Episode) -> None:
    for name in ("action", "reward", "state"):
        bad = np.argwhere(~np.isfinite(getattr(episode, name)))
        if len(bad):
            value = getattr(episode, name)[tuple(bad[0])]
            raise ValueError(
                f"Episode.{name} must be finite; row {bad[0][0]} holds {value} ({len(bad)} such values). "
                "Look for the step of the environment or of the policy that made it."
            )


def _check_actions(action: np.ndarray) -> None:
    rows, _ = np.nonzero(np.abs(action) > 1)
    if len(rows):
        raise ValueError(
            f"Actions must be in [-1, 1]; row {rows[0]} holds {action[rows[0]].tolist()}. "
            "Scale actions to [-1, 1] before storing; the environment rescales them."
        )


def _check_reset_row(episode: Episode) -> None:
    if episode.action[0].any() or episode.reward[0] != 0:
        raise ValueError(
            "Row 0 is the reset and must have an action of zeros and no reward; "
            f"action {episode.action[0].tolist()} and reward {episode.reward[0]} came. "
            "Row t holds the action that led to observation t: actions and rewards look shifted by one."
        )


def _check_flags(episode: Episode) -> None:
    first = np.flatnonzero(episode.is_first).tolist()
    if first != [0]:
        raise ValueError(
            f"is_first must be true in row 0 and in no other; it is true in rows {first[:8]}. "
            "Store one whole episode at a time."
        )
    early = np.flatnonzero(episode.terminated[:-1]).tolist()
    if early:
        raise ValueError(
            f"terminated may be true in the last row ({episode.rows - 1}) only; it is true in rows {early[:8]}. "
            "End the episode there."
        )
