"""All that the pages' sections need of one run: its model, and what it makes of episodes that it never trained on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import envs
from envs.task import Task
from experiments import environment, run_folder
from experiments.config import TrainConfig
from experiments.data_source import NO_ENV
from experiments.errors import UserError
from experiments.state_probe import describe, is_angle, padded
from experiments.unseen import kept_back, played
from worldmodel.episode import Episode
from worldmodel.interface import State
from worldmodel.replay import Batch
from worldmodel.sequence_vae import Posterior, SequenceVAE

FEWEST = 2  # episodes: probes are fitted on some and judged on others
CHUNK = 8  # episodes whose pictures are encoded at once


@dataclass(frozen=True)
class Seen:
    """A run, and its model's posterior along held-out episodes.

    posterior: ``[episodes, rows, ...]`` with rows past an episode's end, which `there` ``[episodes, rows]`` leaves out.
    task: None where the environment is not a built-in one; then true states have no names and cannot be set.
    """

    name: str
    folder: Path
    config: TrainConfig
    model: SequenceVAE
    task: Task | None
    episodes: list[Episode]
    posterior: Posterior
    there: np.ndarray

    @property
    def states(self) -> State:
        return self.posterior.states

    @functools.cached_property
    def latents(self) -> np.ndarray:
        """``[rows of all episodes, latent]``."""
        return self.flat(self.states.vector)

    @functools.cached_property
    def episode(self) -> np.ndarray:
        """Number of the episode of each row of `latents`."""
        return np.nonzero(self.there)[0]

    @functools.cached_property
    def row(self) -> np.ndarray:
        """Place in its episode of each row of `latents`."""
        return np.nonzero(self.there)[1]

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """True states, ``[rows of all episodes, state]``; width 0 where the environment tells none."""
        return np.concatenate([e.state for e in self.episodes])

    @functools.cached_property
    def described(self) -> np.ndarray:
        """True states with angles as sine and cosine, ``[rows of all episodes, features]``."""
        return described(self.task, self.truth)

    def flat(self, padded_rows: Tensor) -> np.ndarray:
        """``[episodes, rows, ...]`` without the rows that are not there."""
        return padded_rows.float().cpu().numpy()[self.there]

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the true state's columns; none where the environment tells no state."""
        return environment.state_names(self.config.env, self.truth.shape[1])


def look(folder: Path, episodes: int, seed: int) -> Seen:
    """Play and observe. Raises UserError, CheckpointError."""
    config, model = run_folder.load_model(folder, torch.device("cpu"))
    task = envs.task(config.env) if config.env in envs.names() else None
    played = (
        stored(config, episodes) if config.env == NO_ENV else held_out_episodes(model, config, folder, episodes, seed)
    )
    posterior, there = observe(model, played)
    return Seen(folder.name or str(folder), folder, config, model, task, played, posterior, there)


def held_out_episodes(model: SequenceVAE, config: TrainConfig, folder: Path, count: int, seed: int) -> list[Episode]:
    """Their noise is spread from none to the most: so they are spread as the training data are."""
    return played(model, config, folder, np.linspace(0, config.action_noise, count).tolist(), seed, "show")


def stored(config: TrainConfig, count: int) -> list[Episode]:
    """Test episodes of the data that the run learned from, where there is no environment. Raises UserError."""
    episodes = kept_back(config, count)
    if len(episodes) < FEWEST:
        raise UserError(
            f"At least {FEWEST} episodes must be shown that were not trained on; the data of this run, in "
            f"{config.data.path if config.data else ''}, holds {len(episodes)}. Collect data with --test-share 0.1."
        )
    return episodes


@torch.no_grad()
def observe(model: SequenceVAE, episodes: list[Episode]) -> tuple[Posterior, np.ndarray]:
    """The posterior along all episodes, means filtered on, and which rows there are."""
    longest = max(e.rows for e in episodes)
    device = model.initial(1).state.stoch.device
    batches = (windows(episodes[i : i + CHUNK], longest) for i in range(0, len(episodes), CHUNK))
    parts = [model.observe(Batch(*(field.to(device) for field in batch))) for batch in batches]
    there = np.arange(longest) < np.array([e.rows for e in episodes])[:, None]
    states = State(*(torch.cat(part) for part in zip(*(p.states for p in parts), strict=True)))
    families = [type(parts[0].posterior), type(parts[0].prior)]
    sides = [[p.posterior for p in parts], [p.prior for p in parts]]
    joined = [
        family(*(torch.cat(tensors) for tensors in zip(*side, strict=True)))
        for family, side in zip(families, sides, strict=True)
    ]
    return Posterior(states, *joined), there


def windows(episodes: list[Episode], longest: int) -> Batch:
    """Whole episodes as one batch, zeros past their ends."""
    fields = {name: torch.from_numpy(padded([getattr(e, name) for e in episodes], longest)) for name in Episode._fields}
    lengths = torch.tensor([e.rows for e in episodes])
    return Batch(**fields, valid=torch.arange(longest) < lengths[:, None])


def described(task: Task | None, truth: np.ndarray) -> np.ndarray:
    return describe(task, torch.from_numpy(truth)).numpy() if task else truth


def wrapped(names: tuple[str, ...], truth: np.ndarray) -> np.ndarray:
    """Angles in (-π, π], for colours."""
    angle = np.array([is_angle(name) for name in names], bool)
    return np.where(angle, np.angle(np.exp(1j * truth)), truth) if len(names) else truth
