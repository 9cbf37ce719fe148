"""Beliefs about the episodes of a run's replay, filtered once: where imagination and imitation start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from experiments.config import TrainConfig
from experiments.data_source import stored_replay
from experiments.errors import UserError
from worldmodel.interface import State, WorldModel
from worldmodel.replay import Batch

WINDOWS = 64  # side by side


@torch.no_grad()
def replayed_beliefs(model: WorldModel, run: Path, config: TrainConfig, rows: int, rng: np.random.Generator) -> State:
    """At least ``rows`` filtered states ``[rows, latent]`` of windows drawn from the replay (or the data) of ``run``.

    Windows are as long as in training, and the belief starts afresh at each, so a window's first quarter, before the
    belief has settled, is left out. Raises UserError where nothing is left to draw from.
    """
    replay = stored_replay(config, run)
    if replay.count("train") == 0:
        raise UserError(f"An agent learns from the beliefs of a run's episodes; {run} has none. Train it first.")
    kept, found = list[State](), 0
    while found < rows:
        states = filtered(model, replay.sample(WINDOWS, config.length, rng))
        kept.append(states)
        found += len(states.stoch)
    return State(torch.cat([s.deter for s in kept]), torch.cat([s.stoch for s in kept]))


def filtered(model: WorldModel, batch: Batch) -> State:
    """States ``[rows, latent]`` of the valid rows after the first quarter."""
    belief = model.initial(len(batch.action))
    device, length = belief.state.stoch.device, batch.action.shape[1]
    deter, stoch = list[Tensor](), list[Tensor]()
    for t in range(length):
        action = torch.zeros_like(batch.action[:, t]) if t == 0 else batch.action[:, t]
        belief = model.filter(belief, action.to(device), batch.observation[:, t].to(device))
        if t >= length // 4:
            deter.append(belief.state.deter[batch.valid[:, t]])
            stoch.append(belief.state.stoch[batch.valid[:, t]])
    return State(torch.cat(deter), torch.cat(stoch))
