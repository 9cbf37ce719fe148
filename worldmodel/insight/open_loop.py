"""What the model sees with its eyes open, and what it imagines with them closed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldmodel.episode import Episode
from worldmodel.interface import Belief, State, WorldModel


class OpenLoop(NamedTuple):
    """An episode beside the model's account of it; row t is row t of the episode.

    truth, model: ``[rows, height, width, channel]`` uint8. error: the same, model - truth halved around 128: grey where
    the model is right. reward, predicted_reward: ``[rows]``. filtered: the first so many rows are decoded from the
    filtered belief; for the rest the mean of the prior was rolled forward along the episode's actions, unseeing.
    """

    truth: np.ndarray
    model: np.ndarray
    error: np.ndarray
    reward: np.ndarray
    predicted_reward: np.ndarray
    filtered: int


@torch.no_grad()
def open_loop(model: WorldModel, episode: Episode, filtered: int | None = None, rows: int | None = None) -> OpenLoop:
    """Filter the first ``filtered`` of ``rows`` rows (the whole episode; half of them), imagine the others.

    Raises ValueError unless ``1 <= filtered < rows <= episode.rows``.
    """
    rows = episode.rows if rows is None else rows
    filtered = rows // 2 if filtered is None else filtered
    if not 1 <= filtered < rows <= episode.rows:
        raise ValueError(
            f"Open loop needs at least one filtered row, one imagined and no more than the episode's {episode.rows}; "
            f"filtered={filtered}, rows={rows} came."
        )
    states = imagined(model, episode, filtered, rows)
    picture = images(model.decode(states))
    truth = episode.observation[:rows]
    reward = model.reward(states).float().cpu().numpy()
    return OpenLoop(truth, picture, difference(picture, truth), episode.reward[:rows], reward, filtered)


def imagined(model: WorldModel, episode: Episode, filtered: int, rows: int) -> State:
    """States ``[rows, latent]``: posterior means first, then prior means."""
    belief = model.initial(1)
    action = torch.as_tensor(episode.action[:rows]).to(belief.state.stoch)
    seen = []
    for t in range(filtered):
        belief = filter_row(model, belief, action[t], episode.observation[t])
        seen.append(belief.state)
    future = model.rollout(belief.state, action[None, filtered:])
    return State(*(torch.cat([*past, later[0]]) for *past, later in zip(*seen, future, strict=True)))


def filter_row(model: WorldModel, belief: Belief, action: Tensor, observation: np.ndarray) -> Belief:
    image = torch.as_tensor(observation, device=action.device)
    return model.filter(belief, action[None], image[None])


def images(decoded: Tensor) -> np.ndarray:
    """``[rows, channel, height, width]`` in [0, 1] -> ``[rows, height, width, channel]`` uint8."""
    return decoded.movedim(-3, -1).mul(255).round().to(torch.uint8).cpu().numpy()


def difference(model: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``(model - truth) / 2 + 128`` as uint8."""
    return ((model.astype(np.int16) - truth) // 2 + 128).clip(0, 255).astype(np.uint8)
