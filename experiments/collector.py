"""Collecting episodes beside training, in a process of its own: both cores work, and the numbers stay reproducible.

The episodes of round k are collected with the weights of the round's *start*, whether that happens in another process
(at the same time as the round's updates) or in this one: what comes out is the same to the bit.
"""

from __future__ import annotations

import io
import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from experiments import environment
from experiments.config import TrainConfig, from_json, to_json
from experiments.planning import make_planner
from experiments.seeds import torch_generator, training_seed
from planners.episode import run_episode
from planners.objective import LearnedReward
from worldmodel.build import build
from worldmodel.episode import Episode
from worldmodel.sequence_vae import SequenceVAE


class Job(NamedTuple):
    """Collect round ``number`` with these weights (a state dict, serialised)."""

    number: int
    weights: bytes


class Collector(Protocol):
    """`start` a round's collecting, then fetch its `result`, in turn."""

    def start(self, number: int, model: SequenceVAE) -> None: ...
    def result(self) -> list[Episode]: ...
    def close(self) -> None: ...


class CollectorDied(RuntimeError):
    """The collecting process ended before its episodes arrived."""


class InlineCollector:
    """Collects in this process, at `start`."""

    def __init__(self, config: TrainConfig) -> None:
        self._collect = episode_source(config)
        self._episodes: list[Episode] = []

    def start(self, number: int, model: SequenceVAE) -> None:
        self._episodes = self._collect(Job(number, pack(model)))

    def result(self) -> list[Episode]:
        return self._episodes

    def close(self) -> None:
        """Nothing to close."""


class ProcessCollector:
    """Collects in a second process (spawned, one thread, CPU) while this one trains.

    It is a daemon unless it needs processes of its own for the environments, which daemons may not have.
    """

    def __init__(self, config: TrainConfig) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, to_json(config)), daemon=config.envs == 1)
        _start_deaf(self._process)
        theirs.close()

    def start(self, number: int, model: SequenceVAE) -> None:
        self._pipe.send(Job(number, pack(model)))

    def result(self) -> list[Episode]:
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            self._process.join(5)
            raise CollectorDied(
                f"The collecting process must outlive the run; it died with exit code {self._process.exitcode}. "
                "Out of memory is the usual cause. Continue with --resume; --workers 0 collects in the main process."
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self._pipe.close()
        self._process.terminate()
        self._process.join(5)


def pack(model: SequenceVAE) -> bytes:
    buffer = io.BytesIO()
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, buffer)
    return buffer.getvalue()


def episode_source(config: TrainConfig) -> Callable[[Job], list[Episode]]:
    """A function from a job to its episodes, holding the environments and a model to load weights into."""
    env = environment.make(config.env, config.episodes, config.size, config.envs)
    form = environment.shapes(config.env, config.size)
    model = build(config.model, form.observation, form.action, form.discrete)
    model.eval().requires_grad_(False)

    def collect(job: Job) -> list[Episode]:
        model.load_state_dict(torch.load(io.BytesIO(job.weights), weights_only=True))
        generator = torch_generator(config.seed, "collect", job.number)
        planner = make_planner(config.collect, model, LearnedReward(model), generator)
        seed = training_seed(config.seed, job.number)
        runs = run_episode(model, planner, env, seed, noise_std=noise_levels(config), generator=generator)
        return [run.episode for run in runs]

    return collect


def _start_deaf(process: BaseProcess) -> None:
    """Start a process that Ctrl-C does not reach: a terminal sends it to all, and this one is to end it in order."""
    if threading.current_thread() is not threading.main_thread():  # only that one may change what signals do
        process.start()
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the child, from its first instruction on
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)


def noise_levels(config: TrainConfig) -> list[float]:
    """Each episode of a round has its own noise, from none to ``action_noise``: from mastery to mishap."""
    return np.linspace(0, config.action_noise, config.episodes).tolist()


def _serve(pipe: Connection, config: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    collect = episode_source(from_json(config))
    try:
        while True:
            job = pipe.recv()
            try:
                pipe.send(collect(job))
            except Exception as error:  # whatever it is, the training process is to say it
                pipe.send(error)
    except (EOFError, BrokenPipeError):
        return
