"""All that changes while a run trains: how it is put together, set out and stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from experiments.config import TrainConfig, to_json
from experiments.data_source import shapes
from experiments.explorer import Explorer, make_explorer
from experiments.learner import Learner, make_learner
from experiments.metrics import Metrics
from experiments.schedule import updates_before
from experiments.seeds import numpy_generator, torch_generator
from planners.episode import Run
from worldmodel import checkpoint
from worldmodel.averaging import WeightAverage
from worldmodel.build import build
from worldmodel.episode import Episode
from worldmodel.first_latents import standardize
from worldmodel.images import to_model
from worldmodel.likelihoods import OwnUnits
from worldmodel.muon import Muon
from worldmodel.replay import Batch, Replay
from worldmodel.sequence_vae import SequenceVAE

FIRST_WINDOWS = 64  # that the first latents are standardized on


class Progress(Protocol):
    """Who is told how the run goes."""

    def updated(self, updates: int, losses: dict[str, float]) -> None: ...
    def collected(self, episodes: int, returns: list[float]) -> None: ...
    def tested(self, losses: dict[str, float]) -> None: ...
    def taught(self, done: int, total: int, numbers: dict[str, float]) -> None:
        """So many of the agent's updates between those of the model."""
        ...


class Tracker(Protocol):
    """Who else keeps a record, beside `metrics.jsonl`, which is the one that counts."""

    def logged(self, updates: int, values: dict[str, Any]) -> None:
        """What a line of `metrics.jsonl` says."""
        ...

    def completed(self, training: Training, unseen: list[Episode]) -> None:
        """A round is over and stored. unseen: the episodes that it collected, which nothing was learned from
        yet, unless the round began afresh.
        """
        ...


@dataclass
class Training:
    """All that changes during a run. Outside of `fit` the model has the averaged weights."""

    config: TrainConfig
    folder: Path
    model: SequenceVAE
    optimizer: torch.optim.Optimizer
    average: WeightAverage
    replay: Replay
    noise: torch.Generator
    batches: np.random.Generator
    learner: Learner | None = None
    explorer: Explorer | None = None
    round: int = 0
    updates: int = 0
    seconds: float = 0.0
    tracker: Tracker | None = None

    def log(self, **values: Any) -> None:
        Metrics(self.folder / "metrics.jsonl").write(self.updates, **values)
        if self.tracker:
            self.tracker.logged(self.updates, values)

    @property
    def done(self) -> float:
        """Share of the updates with these weights, from 0 to 1."""
        first = updates_before(self.config, self.round) if self.config.afresh else 0
        last = updates_before(self.config, self.round + 1 if self.config.afresh else self.config.rounds)
        return (self.updates - first) / max(1, last - first)

    @property
    def generators(self) -> dict[str, torch.Generator | np.random.Generator]:
        own: dict[str, torch.Generator | np.random.Generator] = {"noise": self.noise, "batches": self.batches}
        return own | ({"agent": self.learner.generator} if self.learner else {})

    @property
    def optimizers(self) -> dict[str, checkpoint.Stateful]:
        own: dict[str, checkpoint.Stateful] = {"model": self.optimizer, "average": self.average}
        own |= {"ensemble": self.explorer.optimizer} if self.explorer else {}
        return own | (dict(self.learner.optimizers) if self.learner else {})

    @property
    def beside(self) -> dict[str, torch.nn.Module]:
        """What is learned beside the model."""
        found: dict[str, torch.nn.Module] = {"agent": self.learner.module} if self.learner else {}
        return found | ({"ensemble": self.explorer.module} if self.explorer else {})


def assemble(config: TrainConfig, folder: Path, replay: Replay, device: torch.device) -> Training:
    """Model, optimiser and generators as they are before the first update."""
    form = shapes(config)
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(int(torch_generator(config.seed, "weights").initial_seed()))
        model = build(config.model, form.observation, form.action, form.discrete).to(device)
    optimizer = make_optimizer(model, config)
    average = WeightAverage(model.parameters(), config.average)
    noise = torch_generator(config.seed, "noise", device=device.type)
    batches, learner = numpy_generator(config.seed, "batches"), make_learner(config, model.sizes, device)
    explorer = make_explorer(config, model.sizes, device)
    return Training(config, folder, model, optimizer, average, replay, noise, batches, learner, explorer)


def make_optimizer(model: SequenceVAE, config: TrainConfig) -> torch.optim.Optimizer:
    """Of the model alone; actor and critic have Adam."""
    if config.optimizer == "muon":
        return Muon(model.parameters(), lr=config.learning_rate)
    return torch.optim.Adam(model.parameters(), lr=config.learning_rate, eps=1e-5, fused=True)


def set_out(training: Training) -> None:
    """First weights that depend on the data, for objectives that need them (`worldmodel.first_latents`); averages begin
    with these.
    """
    config, model = training.config, training.model
    device, generator = next(model.parameters()).device, numpy_generator(config.seed, "first")
    batch = training.replay.sample(FIRST_WINDOWS, config.length, generator)
    standardize(model, Batch(*(field.to(device) for field in batch)))
    if isinstance(model.likelihood, OwnUnits):
        model.likelihood.begin_with(to_model(batch.observation.to(device), torch.float32))
    training.average = WeightAverage(model.parameters(), config.average)


def save(training: Training) -> None:
    position = training.replay.position()
    progress: dict[str, Any] = {
        "round": training.round,
        "updates": training.updates,
        "seconds": training.seconds,
        "replay_position": position,
        "episodes": position,
    }
    folder, config = training.folder / "checkpoint", to_json(training.config)
    checkpoint.save(
        folder, training.model, training.optimizers, config, progress, training.generators, beside=training.beside
    )
    if not training.config.data:
        training.replay.mark(position)


def add_episodes(training: Training, runs: list[Run], progress: Progress) -> None:
    for run in runs:
        training.replay.add(run.episode)
    progress.collected(training.replay.position(), returns_of(runs))


def returns_of(runs: list[Run]) -> list[float]:
    return [float(run.episode.reward.sum()) for run in runs]
