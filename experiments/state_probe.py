"""Pairs of latent and true state, from a run's own episodes, for probes to be fitted on.

An angle is seen as its sine and cosine, since a picture tells it no better; everything else as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from experiments import run_folder
from experiments.data_source import stored_replay
from experiments.errors import UserError
from worldmodel.episode import Episode
from worldmodel.interface import State, WorldModel

EPISODES = 80  # of the replay, evenly spread over it
HELD_OUT = 5  # every so many of these measure R²
AHEAD = 15  # about as far as planners look


class Variables(Protocol):
    """A task, or whatever names the columns of a true state; what is called an angle is one."""

    @property
    def state_names(self) -> tuple[str, ...]: ...


class Pairs(NamedTuple):
    """Latents and the true states they stand for: latent ``[rows, latent]``, described ``[rows, features]``.

    held_out ``[rows]``: rows of episodes that are not fitted.
    """

    latent: Tensor
    described: Tensor
    held_out: Tensor


def describe(task: Variables, state: Tensor) -> Tensor:
    """``[..., state] -> [..., features]``."""
    columns = []
    for name, column in zip(task.state_names, state.unbind(-1), strict=True):
        columns += [column.sin(), column.cos()] if is_angle(name) else [column]
    return torch.stack(columns, -1)


def variables(state_names: tuple[str, ...]) -> list[str]:
    """Names of the columns of `describe`."""
    pairs = ([f"sin {name}", f"cos {name}"] if is_angle(name) else [name] for name in state_names)
    return [name for pair in pairs for name in pair]


def restore(task: Variables, features: Tensor) -> Tensor:
    """The inverse of `describe`; angles in (-π, π]."""
    rest = iter(features.unbind(-1))
    columns = [torch.atan2(next(rest), next(rest)) if is_angle(name) else next(rest) for name in task.state_names]
    return torch.stack(columns, -1)


def is_angle(name: str) -> bool:
    return name.split()[-1] == "angle"


def latent_pairs(model: WorldModel, task: Variables, episodes: list[Episode], predicted: bool) -> Pairs:
    """Filtered states of the episodes; with ``predicted`` also those that the model predicts up to `AHEAD` steps on.

    Planners look at predicted states, and where a model learns from its own predictions they are not quite like
    filtered ones: a probe that never saw them misreads them, and planners find out.
    """
    filtered, described, valid = filter_all(model, task, episodes)
    number = torch.arange(len(episodes))[:, None].expand(valid.shape)
    groups = [(filtered.vector, described, valid, number)]
    if predicted:
        ahead = predict_ahead(model, filtered, torch.from_numpy(padded([e.action for e in episodes]))).vector
        rows = slice(1, 1 + ahead.shape[1])
        groups.append((ahead, described[:, rows], valid[:, rows], number[:, rows]))
    latent = torch.cat([states[there].cpu() for states, _, there, _ in groups])
    truth = torch.cat([said[there] for _, said, there, _ in groups])
    episode = torch.cat([numbers[there] for _, _, there, numbers in groups])
    return Pairs(latent, truth, episode % HELD_OUT == HELD_OUT - 1)


@torch.no_grad()
def filter_all(model: WorldModel, task: Variables, episodes: list[Episode]) -> tuple[State, Tensor, Tensor]:
    """Filtered states ``[episodes, rows, latent]``, true ones described, and which rows there are."""
    belief = model.initial(len(episodes))
    device, dtype = belief.state.stoch.device, belief.state.stoch.dtype
    action = torch.from_numpy(padded([e.action for e in episodes])).to(device, dtype)
    states = []
    for t in range(action.shape[1]):
        pictures = padded([e.observation[t : t + 1] for e in episodes], rows=1)[:, 0]
        belief = model.filter(belief, action[:, t], torch.from_numpy(pictures).to(device))
        states.append(belief.state)
    filtered = State(torch.stack([s.deter for s in states], 1), torch.stack([s.stoch for s in states], 1))
    truth = torch.from_numpy(padded([e.state for e in episodes])).to(dtype)
    lengths = torch.tensor([e.rows for e in episodes])
    return filtered, describe(task, truth), torch.arange(action.shape[1]) < lengths[:, None]


@torch.no_grad()
def predict_ahead(model: WorldModel, filtered: State, actions: Tensor) -> State:
    """Rows 1, 2, ... predicted from the filtered state of every `AHEAD`-th row along the episodes' actions."""
    steps = min(AHEAD, actions.shape[1] - 1)
    stretches = (actions.shape[1] - 1) // steps
    taken = actions[:, 1 : 1 + stretches * steps].to(filtered.stoch).unflatten(1, (stretches, steps))
    starts = filtered.map(lambda x: x[:, : stretches * steps : steps])
    return model.rollout(starts, taken).map(lambda x: x.flatten(1, 2))


def padded(arrays: list[np.ndarray], rows: int | None = None) -> np.ndarray:
    """Stack arrays of different length, zeros after their ends."""
    longest = rows or max(map(len, arrays))
    out = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return out


def replayed(run: Path) -> list[Episode]:
    """Episodes of the run's replay, evenly spread. Raises UserError where they do not tell the true state."""
    episodes = list(stored_replay(run_folder.read_config(run), run).episodes("train"))
    if len(episodes) < HELD_OUT or episodes[0].state.shape[-1] == 0:
        raise UserError(
            f"A probe of the true state needs {HELD_OUT} episodes that tell it; the replay of {run} has fewer. "
            "Train longer, on an environment that tells info['state']."
        )
    every = max(1, len(episodes) // EPISODES)
    return episodes[::every][:EPISODES]
