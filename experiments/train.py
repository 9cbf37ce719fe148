"""A training run: random seed episodes, then rounds of fitting the model and collecting with a planner on it.

Everything is in the run folder: `config.json`, `metrics.jsonl`, `checkpoint/`, `replay/`. A checkpoint is written after
every round; a run that was stopped anywhere continues from the last one to the same numbers, to the bit on a CPU.

An offline run, one with `config.data`, fits the model to a data folder, which it only reads. It makes no environment,
collects nothing and has no `replay/`; at each checkpoint it logs the losses on the data's test episodes.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from experiments import environment
from experiments.collector import Collector, InlineCollector, ProcessCollector
from experiments.config import TrainConfig, in_turns, planner_collects
from experiments.data_source import shapes, stored_replay
from experiments.held_out import held_out_losses
from experiments.imagination_gap import Gap, imagination_gap
from experiments.learner import due
from experiments.lessons import collect_in_turns, first_lesson
from experiments.metrics import Metrics
from experiments.planning import has_tail
from experiments.schedule import cosine, round_updates
from experiments.seeds import stream, torch_generator, training_seed
from experiments.training import Progress, Training, add_episodes, assemble, returns_of, save, set_out
from planners.episode import Run, run_episode
from planners.random_policy import RandomPolicy
from worldmodel import checkpoint
from worldmodel.episode import Episode
from worldmodel.fit import update
from worldmodel.interface import State
from worldmodel.replay import Batch, Replay
from worldmodel.shifts import shifted

LOG_EVERY = 50  # updates between two lines of metrics; there is one at the end of each round too


def begin(config: TrainConfig, folder: Path, device: torch.device) -> Training:
    """A new run in ``folder``, with its seed episodes collected and its first checkpoint written."""
    folder.mkdir(parents=True, exist_ok=True)
    replay = stored_replay(config, folder) if config.data else seed_replay(config, folder)
    training = assemble(config, folder, replay, device)
    set_out(training)
    save(training)
    return training


def seed_replay(config: TrainConfig, folder: Path) -> Replay:
    """The run's own replay, with the seed episodes in it."""
    form = shapes(config)
    replay = Replay.create(folder / "replay", replay_rows(config), form.observation, form.action, form.state)
    for episode in seed_episodes(config):
        replay.add(episode)
    return replay


def resume(config: TrainConfig, folder: Path, device: torch.device) -> Training:
    """The run in ``folder`` as its last checkpoint left it."""
    training = assemble(config, folder, stored_replay(config, folder), device)
    progress = checkpoint.restore(
        folder / "checkpoint", training.model, training.optimizers, training.generators, training.beside
    )
    training.round, training.updates = progress["round"], progress["updates"]
    training.seconds = progress["seconds"]
    if not config.data:
        training.replay.rewind(progress["replay_position"])
    Metrics(folder / "metrics.jsonl").cut(training.updates)
    return training


def train(training: Training, progress: Progress, workers: int = 1) -> None:
    """Run all rounds that are left. With workers = 1 collecting has a process of its own; the numbers are the same."""
    config = training.config
    if training.round >= config.rounds:
        return
    if config.data:
        while training.round < config.rounds:
            offline_round(training, progress)
        return
    collector: Collector = ProcessCollector(config) if workers else InlineCollector(config)
    try:
        while training.round < config.rounds:
            (afresh_round if config.afresh else one_round)(training, collector, progress)
    finally:
        collector.close()


def offline_round(training: Training, progress: Progress) -> None:
    """Fit, measure on the test episodes, write a checkpoint."""
    started = time.monotonic()
    fit(training, progress)
    if losses := held_out_losses(training.model, training.config):
        values = {f"held_out_{name}": value for name, value in losses.items()}
        training.log(**values)
        progress.tested(losses)
    complete(training, started, [])


def afresh_round(training: Training, collector: Collector, progress: Progress) -> None:
    """Collect with the weights of the round before, fit new ones to all episodes, write a checkpoint."""
    started, runs = time.monotonic(), list[Run]()
    if training.round:
        collect = collect_in_turns if in_turns(training.config) else collect_at_once
        runs = collect(training, collector, progress)
        begin_afresh(training)
    fit(training, progress)
    if in_turns(training.config):
        first_lesson(training, progress)
    if runs:  # not before: lines as old as the last checkpoint outlive a stop, after which episodes are collected again
        log_returns(training, runs)
    complete(training, started, [run.episode for run in runs])


def collect_at_once(training: Training, collector: Collector, progress: Progress) -> list[Run]:
    """A round's episodes, with the weights of its start."""
    collector.start(training.round, {"model": training.model, **training.beside})
    runs = collector.result()
    add_episodes(training, runs, progress)
    return runs


def begin_afresh(training: Training) -> None:
    """New weights of all that is learned, their optimisers and averages; what draws noise and batches goes on."""
    config, device = training.config, next(training.model.parameters()).device
    seed = int(stream(config.seed, "afresh", training.round).generate_state(1)[0])
    new = assemble(replace(config, seed=seed), training.folder, training.replay, device)
    set_out(new)
    training.model, training.optimizer, training.average = new.model, new.optimizer, new.average
    training.learner, training.explorer = new.learner, new.explorer


def one_round(training: Training, collector: Collector, progress: Progress) -> None:
    """Fit while episodes are collected with the weights of the round's start; add them, then write a checkpoint."""
    started, config = time.monotonic(), training.config
    # before the first round nothing is known, after the last nothing is learned
    collecting = 0 < training.round < config.rounds - 1
    if collecting:
        collector.start(training.round, {"model": training.model, **training.beside})
    fit(training, progress)
    runs = collector.result() if collecting else []
    if runs:
        add_episodes(training, runs, progress)
        log_returns(training, runs)
    complete(training, started, [run.episode for run in runs])


def complete(training: Training, started: float, unseen: list[Episode]) -> None:
    """Count the round that began at the time ``started``, and write its checkpoint."""
    training.round += 1
    training.seconds += time.monotonic() - started
    save(training)
    if training.tracker:
        training.tracker.completed(training, unseen)


def fit(training: Training, progress: Progress) -> None:
    config, model = training.config, training.model
    device = next(model.parameters()).device
    shape = (config.batch, config.length, config.model.stoch)
    training.average.swap()
    for left in reversed(range(round_updates(config, training.round))):
        done = training.done
        cosine(training.optimizer, config, done)
        paid = round(config.paid * config.batch)
        batch = training.replay.sample(config.batch, config.length, training.batches, paid)
        batch = Batch(*(field.to(device) for field in batch))
        noise = torch.randn(shape, generator=training.noise, device=device)
        offset = int(training.batches.integers(min(config.model.open_loop_steps, config.length - 1)))
        seen = shifted(batch.observation, config.shift, training.batches) if config.shift else None
        losses, states = update(model, training.optimizer, batch, noise, offset, config.clip, seen)
        training.average.update()
        losses = losses | learn(training, batch, states, done)
        losses |= training.explorer.learn(batch, states) if training.explorer else {}
        training.updates += 1
        if training.updates % LOG_EVERY == 0 or left == 0:
            values = {name: float(value) for name, value in losses.items()}
            training.log(**values)
            progress.updated(training.updates, values)
    training.average.swap()


def learn(training: Training, batch: Batch, states: State, done: float) -> dict[str, torch.Tensor]:
    """The agent's updates that are due beside this one of the model, from the states that it just filtered."""
    found: dict[str, torch.Tensor] = {}
    if training.learner and not in_turns(training.config):
        for optimizer in training.learner.optimizers.values():
            cosine(optimizer, training.config, done, training.config.actor.learning_rate)
        for _ in range(due(training.updates, training.config.actor.train_ratio)):
            found = training.learner.learn(training.model, batch, states)
    return found


def log_returns(training: Training, runs: list[Run]) -> None:
    """And what the first episode, the one without noise, promised and paid per plan."""
    gap = quietest_gap(runs[0], training.config)
    values = {"predicted": gap.predicted, "realised": gap.realised} if math.isfinite(gap.predicted) else {}
    training.log(episodes=training.replay.position(), returns=returns_of(runs), **values)


def quietest_gap(run: Run, config: TrainConfig) -> Gap:
    """Not known for plans that end with a critic's value, of which nobody took note here."""
    searched = planner_collects(config)
    if searched and has_tail(config.collect.name):
        return Gap(math.nan, math.nan)
    horizon = config.collect.horizon if searched else config.actor.horizon
    discount = config.collect.discount if searched else 1.0
    horizons = np.full(len(run.value), horizon)
    return imagination_gap(run.value, horizons, run.episode.reward, bool(run.episode.terminated[-1]), discount)


def seed_episodes(config: TrainConfig) -> list[Episode]:
    """Episodes of slowly varying random actions, which reach further than white noise does."""
    env = environment.make(config.env, config.seed_episodes, config.size)
    form, generator = environment.shapes(config.env, config.size), torch_generator(config.seed, "explore")
    policy = RandomPolicy(form.action, generator, config.exploration, form.discrete)
    return [run.episode for run in run_episode(None, policy, env, training_seed(config.seed, 0))]


def replay_rows(config: TrainConfig) -> int:
    """Rows of the whole run, or as many as ``replay_gb`` has room for."""
    rows_per_episode = environment.episode_steps(config.env, config.size) + 1
    wanted = (config.seed_episodes + config.rounds * config.episodes) * rows_per_episode
    bytes_per_row = math.prod(environment.shapes(config.env, config.size).observation) + 64
    return max(2 * rows_per_episode, min(wanted, int(config.replay_gb * 1e9 / bytes_per_row)))
