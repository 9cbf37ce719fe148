"""Faults, planted in healthy episodes."""

import numpy as np
import torch

from worldmodel.episode import Episode


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def without_state(episodes: list[Episode]) -> list[Episode]:
    """As data of an environment that does not tell its state."""
    return [episode._replace(state=episode.state[:, :0]) for episode in episodes]


def shifted(episodes: list[Episode], rows: int) -> list[Episode]:
    """Actions stored ``rows`` later than they belong."""
    moved = []
    for episode in episodes:
        action = np.roll(episode.action, rows, axis=0)
        action[: max(rows, 1)] = 0
        moved.append(episode._replace(action=action))
    return moved


def joined(one: Episode, other: Episode) -> Episode:
    """Two episodes stored as one."""
    whole = Episode(*(np.concatenate(pair) for pair in zip(one, other, strict=True)))
    return whole._replace(is_first=np.arange(whole.rows) == 0)


def repeated(episode: Episode, times: int) -> Episode:
    """Every row stored ``times`` times, as with a wrong action repeat."""
    whole = Episode(*(field.repeat(times, axis=0) for field in episode))
    return whole._replace(is_first=np.arange(whole.rows) == 0)


def ended(episode: Episode) -> Episode:
    """The time limit stored as a termination."""
    return episode._replace(terminated=np.arange(episode.rows) == episode.rows - 1)


def repainted(episode: Episode, frames: np.ndarray) -> Episode:
    return episode._replace(observation=frames.astype(np.uint8))
