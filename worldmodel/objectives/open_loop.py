"""Likelihoods of what is predicted with closed eyes: observation overshooting (Amos 2018; Hafner 2019, section 4).

The *mean of the prior* is rolled forward, as planners do, from every so many filtered states. The one-step KL alone
teaches velocities slowly.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from worldmodel.interface import State
from worldmodel.sequence_vae import Dynamics, SequenceVAE, Window


def open_loop_likelihoods(
    model: SequenceVAE, window: Window, states: State, steps: int, images: int
) -> dict[str, Tensor]:
    """Negative log-likelihoods ``[batch, time]`` of the rows after the window's offset, zero before.

    Every reward is predicted once, every n-th image (``images``), which counts n times. Raises ValueError for an offset
    beyond the window.
    """
    batch, offset, time = window.batch, window.offset, window.batch.action.shape[1]
    require_offset(offset, time)
    latent = open_loop(model.dynamics, states, batch.action, offset, steps).vector
    phase = offset // images % images  # so that random offsets show every row
    rows, shown = slice(offset + 1, time), slice(offset + 1 + phase, time, images)
    reward, image = torch.zeros_like(batch.reward), torch.zeros_like(batch.reward)
    reward[:, rows] = model.reward_nll(latent, batch.reward[:, rows])
    image[:, shown] = model.image_nll(latent[:, phase::images], window.images[:, shown]) * images
    usable = one_episode(batch.is_first, offset, steps)
    return {"open_loop_image": image * usable, "open_loop_reward": reward * usable}


def open_loop(dynamics: Dynamics, states: State, actions: Tensor, offset: int, steps: int) -> State:
    """Predict rows ``offset + 1 ...`` of windows: prior means, restarted from the filtered state every ``steps`` rows.

    states ``[batch, time, latent]`` and actions ``[batch, time, action]`` (row t holds a_{t-1}) give ``[batch,
    time - offset - 1, latent]``. All stretches are rolled forward side by side.
    """
    time = actions.shape[1]
    if offset == time - 1:
        return states.map(lambda x: x[:, :0])
    starts = states.map(lambda x: x[:, offset : time - 1 : steps])
    stretches = starts.stoch.shape[1]
    missing = stretches * steps - (time - offset - 1)
    padded = functional.pad(actions[:, offset + 1 :], (0, 0, 0, missing))
    predicted = dynamics.rollout(starts, padded.unflatten(1, (stretches, steps)))
    return predicted.map(lambda x: x.flatten(1, 2)[:, : time - offset - 1])


def one_episode(is_first: Tensor, offset: int, steps: int) -> Tensor:
    """Which rows ``[batch, time]`` are predicted from a state of their own episode: no stretch reaches over a start."""
    episode = is_first.cumsum(1)
    rows = torch.arange(is_first.shape[1], device=is_first.device)
    start = offset + ((rows - offset - 1).clamp(min=0) // steps) * steps
    return (episode == episode[:, start.clamp(max=is_first.shape[1] - 1)]) & (rows > offset)


def require_offset(offset: int, time: int) -> None:
    if not 0 <= offset < time:
        raise ValueError(
            f"offset must be a row of the window, 0 to {time - 1}; got {offset}. "
            "Draw it below the windows' length, or make the windows longer."
        )
