"""Beliefs about the episodes of a run's replay, filtered once: where imagination and imitation start, and the steps
that soft actor-critic learns from in a finished model.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from experiments.config import TrainConfig
from experiments.data_source import stored_replay
from experiments.errors import UserError
from planners.actor_critic.filtered_episodes import FilteredEpisodes, join, one_episode
from worldmodel.episode import Episode
from worldmodel.interface import State, WorldModel
from worldmodel.replay import Batch

WINDOWS, EPISODES = 64, 8  # side by side


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
    settled = batch.action.shape[1] // 4
    valid = batch.valid[:, settled:].T
    states = filter_rows(model, batch.action, batch.observation)
    return states.map(lambda x: x[:, settled:].transpose(0, 1)[valid])


def filter_rows(model: WorldModel, actions: Tensor, observations: Tensor) -> State:
    """States ``[batch, time, latent]`` of windows or episodes as stored; the belief starts at their first row."""
    belief = model.initial(len(actions))
    device, states = belief.state.stoch.device, list[State]()
    for t in range(actions.shape[1]):
        action = torch.zeros_like(actions[:, t]) if t == 0 else actions[:, t]
        belief = model.filter(belief, action.to(device), observations[:, t].to(device))
        states.append(belief.state)
    return State(torch.stack([s.deter for s in states], 1), torch.stack([s.stoch for s in states], 1))


@torch.no_grad()
def filtered_episodes(model: WorldModel, episodes: Iterable[Episode]) -> FilteredEpisodes:
    """Every row of the episodes, in their order; a few of them side by side, each as in play."""
    found, left = list[FilteredEpisodes](), iter(episodes)
    while some := list(islice(left, EPISODES)):
        actions = pad_sequence([torch.from_numpy(episode.action) for episode in some], batch_first=True)
        pictures = pad_sequence([torch.from_numpy(episode.observation) for episode in some], batch_first=True)
        states = filter_rows(model, actions, pictures)
        device = states.stoch.device
        for i, episode in enumerate(some):
            own = State(states.deter[i, : episode.rows], states.stoch[i, : episode.rows])
            fields = (torch.from_numpy(x).to(device) for x in (episode.action, episode.reward, episode.terminated))
            found.append(one_episode(own, *fields))
    return join(found)
