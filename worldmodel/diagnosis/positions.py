"""Where things are in the frames, as a few smooth numbers: what stands in for the true state where that is not known.

Of each channel's distance to the background (the median over time): its mass, centre and second moments. Unlike pixels
they change smoothly with what moves, so that little data tells how they go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldmodel.episode import Episode

COMPONENTS = 6
FAINT = 1e-3  # moments that vary less than this share of the liveliest are noise
EXTREME = 5.0  # standard deviations; beyond it numbers are cut off


def background(episodes: Sequence[Episode], frames: int = 400) -> np.ndarray:
    """The median frame, ``[height, width, channel]`` float32."""
    every = max(1, sum(episode.rows for episode in episodes) // frames)
    return np.median(np.concatenate([episode.observation for episode in episodes])[::every], axis=0).astype(np.float32)


def positions(episodes: Sequence[Episode]) -> list[np.ndarray]:
    """``[rows, components]`` for each episode: the principal components of the standardised moments."""
    found = moments(episodes)
    stacked = np.concatenate(found)
    mean, std = stacked.mean(0), stacked.std(0)
    std = np.maximum(std, max(FAINT * std.max(), 1e-12))
    scaled = [np.clip((one - mean) / std, -EXTREME, EXTREME) for one in found]
    _, vectors = np.linalg.eigh(np.cov(np.concatenate(scaled).T))
    return [one @ vectors[:, ::-1][:, :COMPONENTS] for one in scaled]


def moments(episodes: Sequence[Episode]) -> list[np.ndarray]:
    """``[rows, 6 * channel]`` for each episode."""
    still = background(episodes)
    height, width, channels = still.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).reshape(6, -1).astype(np.float32)
    found = []
    for episode in episodes:
        distance = np.abs(episode.observation.astype(np.float32) - still).reshape(episode.rows, -1, channels)
        sums = np.einsum("tpc,kp->tkc", distance, basis) / basis.shape[1]
        sums[:, 1:] /= sums[:, :1] + 1e-3  # a thousandth of a grey level per pixel: an empty frame has its mass at 0
        found.append(sums.reshape(episode.rows, -1))
    return found
