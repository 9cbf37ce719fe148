"""Episodes to be played for a number, in shards: any number of processes plays them to the same result."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from experiments import environment, run_folder
from experiments.config import PlannerConfig
from experiments.planning import make_planner, policies_for
from experiments.policies import NO_POLICIES, Policies
from experiments.seeds import evaluation_seed, torch_generator
from planners.episode import run_episode
from planners.interface import Planner
from planners.objective import LearnedReward
from planners.random_policy import RandomPolicy
from worldmodel.interface import WorldModel
from worldmodel.simulator import Simulator

SHARD = 5  # episodes side by side; the planner's luck is theirs in common, so a result needs several shards
RANDOM = "random"  # uniform actions without a model, beside the names in experiments.planning

On = Literal["model", "simulator"]


class Shard(NamedTuple):
    """Episodes ``first`` to ``first + episodes`` of an evaluation with ``seed``. run: None on the simulator."""

    env: str
    size: int
    run: Path | None
    planner: PlannerConfig
    seed: int
    first: int
    episodes: int
    device: str = "cpu"


class Played(NamedTuple):
    """returns: one per episode. seconds: wall time of each decision, per environment."""

    returns: list[float]
    seconds: list[float]


def shards(whole: Shard) -> list[Shard]:
    """``whole`` cut into pieces of at most `SHARD` episodes; which ones depends on nothing else."""
    end = whole.first + whole.episodes
    return [whole._replace(first=first, episodes=min(SHARD, end - first)) for first in range(whole.first, end, SHARD)]


def play(shard: Shard) -> Played:
    """Play the shard's episodes side by side."""
    env = environment.make(shard.env, shard.episodes, shard.size)
    model, planner = player(shard)
    runs = run_episode(model, planner, env, evaluation_seed(shard.seed) + shard.first)
    longest = max((run.seconds for run in runs), key=len)
    return Played([float(run.episode.reward.sum()) for run in runs], (longest / shard.episodes).tolist())


def player(shard: Shard) -> tuple[WorldModel | None, Planner]:
    """The model to filter with and the planner, with random numbers of the shard's own."""
    if shard.planner.name == RANDOM:
        generator = torch_generator(shard.seed, "evaluate", shard.first)
        form = environment.shapes(shard.env, shard.size)
        return None, RandomPolicy(form.action, generator, discrete=form.discrete)
    generator = torch_generator(shard.seed, "evaluate", shard.first, device=shard.device)
    model, policies = world_model(shard)
    return model, make_planner(shard.planner, model, LearnedReward(model), generator, policies)


def world_model(shard: Shard) -> tuple[WorldModel, Policies]:
    """With what the run has learned beside it."""
    if shard.run is None:
        return Simulator(environment.built_in(shard.env, "--on simulator"), shard.size), NO_POLICIES
    device = torch.device(shard.device)
    config, model = run_folder.load_model(shard.run, device)
    return model, policies_for(shard.planner.name, shard.run, config, model.sizes, device)


def play_all(whole: Shard, pool: Executor | None = None) -> Played:
    """All shards, in ``pool`` or here; the same returns in the same order."""
    pieces = shards(whole)
    played = list(pool.map(play, pieces) if pool else map(play, pieces))
    return Played([x for piece in played for x in piece.returns], [x for piece in played for x in piece.seconds])


@contextmanager
def processes(count: int) -> Iterator[Executor | None]:
    """A pool of ``count`` processes with one thread each, to be used for several evaluations; None for one process.

    Where it is left by an error, or by Ctrl-C, the processes are ended.
    """
    if count <= 1:
        yield None
        return
    context, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(count, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()  # the pool would wait for what they do, and for what its queue holds
            raise
