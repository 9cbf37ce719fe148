"""Whether sampled futures spread as the truth does: where the truth lies among them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator

from worldmodel.interface import State, WorldModel


@torch.no_grad()
def sampled_futures(
    model: WorldModel, start: State, actions: torch.Tensor, samples: int, generator: Generator
) -> State:
    """``samples`` roll-outs of the prior with its noise: ``[samples, batch, horizon, latent]``.

    start ``[batch, latent]``, actions ``[batch, horizon, action]``. Every sample begins in the same ``start``.
    """
    begin = start.map(lambda x: x.expand(samples, *x.shape))
    along = actions.expand(samples, *actions.shape)
    shape = (*along.shape[:-1], model.sizes.stoch)
    noise = torch.randn(shape, generator=generator, device=generator.device, dtype=start.stoch.dtype)
    return model.rollout(begin, along, noise.to(start.stoch.device))


def places(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Where the truth ``[...]`` lies among ``samples [samples, ...]``: 0 below all, 1 above all, uniform if they are
    drawn from the same distribution (the probability integral transform; Gneiting 2007, section 3.1). Ties count half.
    """
    below = (samples < truth).sum(0) + 0.5 * (samples == truth).sum(0)
    return (below + 0.5) / (len(samples) + 1)


def coverage(place: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """How often the central interval of each level holds the truth, ``[levels, ...]``: the level itself is right, less
    is overconfident. place ``[starts, ...]``, as `places` gives it.
    """
    return np.stack([(np.abs(place - 0.5) <= level / 2).mean(0) for level in levels])
