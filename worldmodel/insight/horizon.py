"""How far ahead a model can be believed: its error by horizon, beside doing nothing and beside seeing everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldmodel.episode import Episode
from worldmodel.interface import State, WorldModel

MOVED = 12  # grey levels of 255 by which a pixel differs from the background where something moves


class Errors(NamedTuple):
    """Squared errors ``[starts, horizon]`` of one quantity, k + 1 steps after each start.

    model: rolled forward unseeing from the filtered state. copy: as if nothing changed after the start. posterior: the
    filtered state of that very row, which has seen it: the model cannot be expected to do better. NaN where there is
    nothing to compare.
    """

    model: np.ndarray
    copy: np.ndarray
    posterior: np.ndarray


class Ahead(NamedTuple):
    """Filtered states and what the model makes of them unseeing.

    episode, row ``[starts]``: where each start lies. predicted: mean states ``[starts, horizon, latent]``, k + 1 steps
    after it. filtered: ``[starts, horizon + 1, latent]``, those that see; index 0 is the start itself.
    """

    episode: np.ndarray
    row: np.ndarray
    predicted: State
    filtered: State

    @property
    def horizon(self) -> int:
        return self.predicted.stoch.shape[1]


@torch.no_grad()
def look_ahead(
    model: WorldModel, episodes: Sequence[Episode], filtered: State, horizon: int, every: int = 5, first: int = 5
) -> Ahead:
    """Roll the mean forward ``horizon`` steps from every ``every``-th row, the ``first``-th first, along the actions.

    filtered ``[episodes, rows, latent]``, padded. A start lies at least ``horizon`` rows before its episode's end.
    Raises ValueError where no episode is long enough.
    """
    starts = [(i, t) for i, e in enumerate(episodes) for t in range(first, e.rows - horizon, every)]
    if not starts:
        longest = max((e.rows for e in episodes), default=0)
        raise ValueError(
            f"Looking {horizon} steps ahead from row {first} on takes an episode of {first + horizon + 1} rows; the "
            f"longest has {longest}. Ask for a shorter horizon or give longer episodes."
        )
    episode, row = np.array(starts).T
    stretch = torch.from_numpy(row[:, None] + np.arange(horizon + 1))
    seen = filtered.map(lambda x: x[torch.from_numpy(episode)[:, None].to(x.device), stretch.to(x.device)])
    actions = np.stack([episodes[i].action[t + 1 : t + 1 + horizon] for i, t in starts])
    begin = seen.map(lambda x: x[:, 0])
    predicted = model.rollout(begin, torch.from_numpy(actions).to(begin.stoch))
    return Ahead(episode, row, predicted, seen)


@torch.no_grad()
def image_errors(
    model: WorldModel, episodes: Sequence[Episode], ahead: Ahead, background: np.ndarray
) -> tuple[Errors, Errors]:
    """Mean squared error in units of the pixel range, over all pixels and over the moving ones.

    Moving: those that differ from ``background [height, width, channel]`` (say the median picture) now or at the start.
    An error in a small thing that moves is lost among the others (Oh 2015); here it counts alone.
    """
    whole, moving = [], []
    starts = truth_at(episodes, ahead, 0)
    for k, truth in truths(episodes, ahead):
        mask = moved(truth, background) | moved(starts, background)
        pictures = decoded(model, ahead.predicted, k - 1), starts, decoded(model, ahead.filtered, k)
        squares = [np.square(picture - truth).mean(-1) for picture in pictures]
        whole.append([square.mean((-1, -2)) for square in squares])
        moving.append([masked_mean(square, mask) for square in squares])
    return errors(whole), errors(moving)


def scalar_errors(
    episodes: Sequence[Episode], ahead: Ahead, truth: Sequence[np.ndarray], read: Callable[[State], Tensor]
) -> Errors:
    """Squared error of what ``read`` makes of states, ``[..., latent] -> [..., values]``, in the mean over values.

    truth: ``[rows, values]`` of every episode: the reward, or the true state, scaled so that values weigh alike.
    """
    with torch.no_grad():
        model, posterior = (read(states).double().cpu().numpy() for states in (ahead.predicted, ahead.filtered))
    stretch = np.arange(ahead.horizon + 1)
    true = np.stack([truth[i][t + stretch] for i, t in zip(ahead.episode, ahead.row, strict=True)])
    guesses = model, true[:, :1], posterior[:, 1:]
    return Errors(*(np.square(guess - true[:, 1:]).mean(-1) for guess in guesses))


def break_even(model: np.ndarray, copy: np.ndarray) -> int:
    """Up to how many steps, from the first on, the model's error is below that of copying; both ``[horizon]``."""
    worse = np.flatnonzero(~(model < copy))
    return int(worse[0]) if len(worse) else len(model)


def truths(episodes: Sequence[Episode], ahead: Ahead) -> Iterator[tuple[int, np.ndarray]]:
    """One horizon at a time, since all pictures at once are too many."""
    return ((k, truth_at(episodes, ahead, k)) for k in range(1, ahead.horizon + 1))


def truth_at(episodes: Sequence[Episode], ahead: Ahead, k: int) -> np.ndarray:
    """``[starts, height, width, channel]`` in [0, 1]."""
    rows = [episodes[i].observation[t + k] for i, t in zip(ahead.episode, ahead.row, strict=True)]
    return np.stack(rows).astype(np.float32) / 255


def decoded(model: WorldModel, states: State, k: int) -> np.ndarray:
    return model.decode(states.map(lambda x: x[:, k])).movedim(-3, -1).float().cpu().numpy()


def moved(picture: np.ndarray, background: np.ndarray) -> np.ndarray:
    """``[..., height, width]``: where any channel is far from the background."""
    return np.any(np.abs(picture - background.astype(np.float32) / 255) > MOVED / 255, axis=-1)


def masked_mean(square: np.ndarray, mask: np.ndarray) -> np.ndarray:
    count = mask.sum((-1, -2))
    return np.where(count, (square * mask).sum((-1, -2)) / np.maximum(count, 1), np.nan)


def errors(by_horizon: list[list[np.ndarray]]) -> Errors:
    return Errors(*(np.stack(column, 1) for column in zip(*by_horizon, strict=True)))
