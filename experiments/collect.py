"""Collecting a data folder: batches of episodes side by side, each with random numbers of its own.

A batch is decided by the seed and the number of its first episode, so collecting that was stopped goes on to the same
episodes, to the bit, and any number of processes plays the batches to the same data.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

import envs
from experiments import environment, provenance, run_folder
from experiments.errors import UserError
from experiments.locally_linear.transitions import scattered
from experiments.planner_choice import choose
from experiments.planning import make_planner, policies_for
from experiments.seeds import torch_generator, training_seed
from experiments.shards import processes as process_pool
from planners.episode import Progress, run_episode
from planners.interface import Planner
from planners.objective import LearnedReward
from planners.random_policy import RandomPolicy
from worldmodel.data_folder import About, DataFolder, split
from worldmodel.episode import Episode
from worldmodel.interface import WorldModel

RANDOM, SCATTERED = "random", "scattered"
SIDE_BY_SIDE = 20  # episodes of a batch

Batch = tuple[int, list[Episode]]
"""With the number of the first episode."""
Play = Callable[[int, int, Callable[[int], None]], list[Episode]]
"""From the number of the first episode, how many, and what to call after each step with the frames that it made."""


@dataclass(frozen=True)
class Collecting:
    """What is to be collected; all of it decides the episodes.

    policy: ``random``, ``RUN:planner``, or ``scattered``: transitions from states all over, as episodes of two rows, of
    the tasks that have a goal image (`envs.goal_tasks`). exploration: correlation in time of random actions.
    action_noise: largest standard deviation of the noise on a planner's actions, spread over the episodes of a batch
    from none to this; where actions are choices, the chance of a random one.
    """

    env: str
    size: int
    policy: str
    seed: int
    episodes: int
    test_share: float
    exploration: float
    action_noise: float


class Told(Protocol):
    """Who is told how it goes."""

    def stepped(self, frames: int) -> None: ...
    def stored(self, episodes: int, returns: list[float]) -> None: ...


def about(what: Collecting) -> About:
    """What the data folder will say of itself. Raises UserError for what cannot be."""
    form = environment.shapes(what.env, what.size)
    try:
        train, test = split(what.episodes, what.test_share)
    except ValueError as error:
        raise UserError(str(error)) from error
    rows = 2 if what.policy == SCATTERED else environment.episode_steps(what.env, what.size) + 1
    settings = {"size": what.size, "exploration": what.exploration, "action_noise": what.action_noise}
    return About(
        env=what.env,
        policy=what.policy,
        seed=what.seed,
        episodes=what.episodes,
        test_share=what.test_share,
        rows=train * rows,
        test_rows=test * rows,
        observation_shape=form.observation,
        action_size=form.action,
        state_size=form.state,
        discrete=form.discrete,
        source=settings,
        versions=provenance.versions() | {"commit": provenance.commit() or "unknown"},
    )


def collect(what: Collecting, data: DataFolder, told: Told, processes: int = 1) -> None:
    """Add the episodes that are missing; ``processes`` batches are played at once.

    Raises UserError, CheckpointError, ReplayError.
    """
    with closing(played(what, data.episodes // SIDE_BY_SIDE * SIDE_BY_SIDE, told, processes)) as batches:
        for first, episodes in batches:
            for episode in episodes[data.episodes - first :]:  # some of the batch may be there already
                data.add(episode)
            told.stored(data.episodes, [float(episode.reward.sum()) for episode in episodes])


def played(what: Collecting, first: int, told: Told, processes: int) -> Generator[Batch, None, None]:
    """All batches from the episode ``first`` on, in order."""
    wanted = [(start, min(SIDE_BY_SIDE, what.episodes - start)) for start in range(first, what.episodes, SIDE_BY_SIDE)]
    processes = min(processes, len(wanted))
    with process_pool(processes) as pool:
        if pool is None:
            play = player(what)
            yield from ((start, play(start, count, told.stepped)) for start, count in wanted)
            return
        waiting: deque[tuple[int, Future[list[Episode]]]] = deque()
        for start, count in wanted:
            waiting.append((start, pool.submit(play_apart, what, start, count)))
            if len(waiting) > processes:  # one more than are played: those that are done take memory
                yield fetched(waiting, told)
        while waiting:
            yield fetched(waiting, told)


def fetched(waiting: deque[tuple[int, Future[list[Episode]]]], told: Told) -> Batch:
    """The first of the batches that other processes play, when it is done."""
    first, future = waiting.popleft()
    episodes = future.result()
    told.stepped(sum(len(episode.reward) - 1 for episode in episodes))
    return first, episodes


def play_apart(what: Collecting, first: int, count: int) -> list[Episode]:
    """In a process of the pool."""
    return player(what)(first, count, lambda _: None)


@functools.lru_cache(maxsize=1)  # a process plays many batches
def player(what: Collecting) -> Play:
    """The policy, ready to play. Raises UserError for a policy that does not fit the environment."""
    form = environment.shapes(what.env, what.size)
    if what.policy == SCATTERED:
        return transitions(what)
    if what.policy == RANDOM:
        return batches(what, None, lambda draws: RandomPolicy(form.action, draws, what.exploration, form.discrete))
    run, _, name = what.policy.partition(":")
    config, model = run_folder.load_model(Path(run), torch.device("cpu"))
    if (model.sizes.observation, model.sizes.action) != (form.observation, form.action):
        raise UserError(
            f"A policy must see what the environment shows; {run} was trained on images of {model.sizes.observation} "
            f"and {model.sizes.action} action dimensions, {what.env} has {form.observation} and {form.action}. "
            "Give another --size or another run."
        )
    planner = choose(name, config.planner) if name else config.planner
    learned = policies_for(planner.name, Path(run), config, model.sizes, torch.device("cpu"))
    objective = LearnedReward(model)
    return batches(what, model, lambda generator: make_planner(planner, model, objective, generator, learned))


def transitions(what: Collecting) -> Play:
    """Raises UserError for environments that are not scattered over, and for other sizes than the published."""
    task = envs.goal_tasks().get(what.env)
    if task is None:
        raise UserError(
            f"Transitions are scattered over the tasks {', '.join(envs.goal_tasks())}; {what.env} came. Take one of "
            "these, or --policy random."
        )
    if what.size != task.size:
        raise UserError(f"{what.env} is scattered at its published size; --size {what.size} came, give {task.size}.")
    data = scattered(task, what.episodes, what.seed)

    def play(first: int, count: int, stepped: Callable[[int], None]) -> list[Episode]:
        stepped(count)
        return [data.episode(number) for number in range(first, first + count)]

    return play


def batches(what: Collecting, model: WorldModel | None, policy: Callable[[torch.Generator], Planner]) -> Play:
    def play(first: int, count: int, stepped: Callable[[int], None]) -> list[Episode]:
        env = environment.make(what.env, count, what.size)
        generator = torch_generator(what.seed, "data", first, count)
        noise = np.linspace(0, what.action_noise, count).tolist() if model else 0.0
        seed = training_seed(what.seed, first)
        told: Progress = lambda *_: stepped(count)  # noqa: E731
        try:
            runs = run_episode(model, policy(generator), env, seed, noise, generator, progress=told)
        finally:
            env.close()
        return [run.episode for run in runs]

    return play
