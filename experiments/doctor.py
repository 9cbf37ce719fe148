"""Everything that the doctor asks of data, and of a model trained on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from experiments import run_folder
from experiments.data_source import open_stored
from experiments.errors import UserError
from worldmodel.diagnosis.action_range import action_range
from worldmodel.diagnosis.action_timing import action_timing
from worldmodel.diagnosis.crossings import crossings
from worldmodel.diagnosis.duplicates import duplicates
from worldmodel.diagnosis.endings import endings
from worldmodel.diagnosis.finding import Finding
from worldmodel.diagnosis.moving_objects import moving_objects
from worldmodel.diagnosis.pixels import pixels
from worldmodel.diagnosis.positions import background
from worldmodel.diagnosis.posterior import QUESTION as COLLAPSE
from worldmodel.diagnosis.posterior import posterior
from worldmodel.distributions import Normal, kl_per_dimension
from worldmodel.episode import Episode
from worldmodel.replay import Replay
from worldmodel.sequence_vae import SequenceVAE

ROWS, MOST_EPISODES, LEAST_EPISODES = 8000, 60, 8  # that are looked at
WINDOWS, LENGTH = 32, 32  # that the model is shown

QUESTIONS: tuple[Callable[[Sequence[Episode]], Finding], ...] = (
    action_timing,
    crossings,
    endings,
    duplicates,
    pixels,
    action_range,
)


class Patient(NamedTuple):
    """What is examined: a data folder, or a run with its model. episodes: those of the replay that are looked at."""

    replay: Replay
    episodes: list[Episode]
    model: SequenceVAE | None


def admit(path: Path) -> Patient:
    """Open a data folder or a run folder. Raises UserError, DataError, ReplayError, CheckpointError."""
    replay, model = open_stored(path).train, None
    if run_folder.has_checkpoint(path):
        model = run_folder.load_model(path, torch.device("cpu"))[1]
    lengths = replay.lengths("train")
    if len(lengths) == 0:
        raise UserError(f"There must be an episode to examine; {path} has none yet.")
    most = int(np.clip(ROWS // lengths.mean(), LEAST_EPISODES, MOST_EPISODES))
    return Patient(replay, list(replay.episodes("train", most)), model)


def examine(patient: Patient) -> Iterator[Finding]:
    """One finding per question, as it is answered."""
    for question in QUESTIONS:
        yield question(patient.episodes)
    if patient.model:
        yield from examine_model(patient.model, patient.replay, background(patient.episodes) / 255)


@torch.no_grad()
def examine_model(model: SequenceVAE, replay: Replay, still: np.ndarray, seed: int = 0) -> Iterator[Finding]:
    """Let the model filter windows of the replay and look at its posterior and its pictures."""
    batch = replay.sample(WINDOWS, LENGTH, np.random.default_rng(seed))
    seen = model.observe(batch)
    there = batch.valid
    if isinstance(seen.posterior, Normal) and isinstance(seen.prior, Normal):
        kl = kl_per_dimension(seen.posterior, seen.prior)[there]
        yield posterior(kl.numpy(), seen.posterior.mean[there].numpy())
    else:
        yield Finding(COLLAPSE, "unclear", "the latent is not made of independent normals")
    decoded = model.decode(seen.states.map(lambda x: x[there])).movedim(-3, -1)
    yield moving_objects(batch.observation[there].numpy() / np.float32(255), decoded.numpy(), still)
