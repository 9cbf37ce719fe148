"""What directions of the latent look like: sweeps, and straight lines between two states against cross-fades."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from worldmodel.interface import State, WorldModel


def state_of(model: WorldModel, vector: Tensor) -> State:
    """``[..., latent]`` -> the state with that `State.vector`."""
    return State(*vector.split([model.sizes.deter, model.sizes.stoch], -1))


def vector_directions(model: WorldModel, dimensions: np.ndarray) -> Tensor:
    """Unit vectors ``[dimensions, latent]`` of these dimensions of ``stoch``."""
    sizes = model.sizes
    return torch.eye(sizes.latent)[sizes.deter + torch.as_tensor(dimensions, dtype=torch.long)]


@torch.no_grad()
def traverse(model: WorldModel, state: State, directions: Tensor, amounts: Tensor) -> Tensor:
    """Decode ``state + amount · direction``: ``[directions, amounts, channel, height, width]``.

    state ``[latent]``, directions ``[directions, latent]``, amounts ``[directions, amounts]`` in units of the
    directions.
    """
    steps = amounts[..., None] * directions[:, None]
    return model.decode(state_of(model, state.vector + steps.to(state.stoch)))


@torch.no_grad()
def latent_line(model: WorldModel, begin: State, end: State, steps: int) -> Tensor:
    """Decode ``steps`` points of the straight line from one state ``[..., latent]`` to another, both included:
    ``[..., steps, channel, height, width]``.
    """
    share = torch.linspace(0, 1, steps).to(begin.stoch)[:, None]
    line = torch.lerp(begin.vector[..., None, :], end.vector[..., None, :], share)
    return model.decode(state_of(model, line))


def cross_fade(begin: Tensor, end: Tensor, steps: int) -> Tensor:
    """The straight line between two pictures ``[..., channel, height, width]``: ``[..., steps, ...]``."""
    share = torch.linspace(0, 1, steps).to(begin)[:, None, None, None]
    return torch.lerp(begin[..., None, :, :, :], end[..., None, :, :, :], share)


def distance_to_real(pictures: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Root mean square difference of each picture ``[..., pixels]`` to the nearest of ``real [rows, pixels]``: how far
    it is from anything that was ever seen. A point half way of a cross-fade is a double exposure and far from all.
    """
    flat = pictures.reshape(-1, pictures.shape[-1])
    return (cdist(flat, real).min(1) / np.sqrt(flat.shape[-1])).reshape(pictures.shape[:-1])
