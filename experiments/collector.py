"""Collecting episodes beside training, in a process of its own: both cores work, and the numbers stay reproducible.

The episodes of round k are collected with the weights of the round's *start*, whether that happens in another process
(at the same time as the round's updates) or in this one: what comes out is the same to the bit.
"""

from __future__ import annotations

import io
import multiprocessing
import signal
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from experiments import environment
from experiments.config import TrainConfig, from_json, in_turns, planner_collects, to_json, turns
from experiments.explorer import exploring
from experiments.planning import make_planner
from experiments.policies import NO_POLICIES, build_agent, policies_of
from experiments.seeds import torch_generator, training_seed
from planners.actor_critic.agent import ActorCritic
from planners.actor_critic.policy import ActorPlanner
from planners.actor_critic.soft_agent import SoftActorCritic
from planners.episode import Run, run_episode
from planners.interface import Objective, Planner
from planners.objective import LearnedReward
from worldmodel.build import build
from worldmodel.disagreement import Ensemble
from worldmodel.sequence_vae import SequenceVAE

Modules = Mapping[
    str, torch.nn.Module
]  # "model", "agent" where it is not a planner alone, "ensemble" where it explores


class Job(NamedTuple):
    """Collect turn ``turn`` of round ``number`` with these weights (state dicts by module, serialised)."""

    number: int
    turn: int
    weights: bytes


class Collector(Protocol):
    """`start` collecting one turn of a round, then fetch its `result`; alternately."""

    def start(self, number: int, modules: Modules, turn: int = 0) -> None: ...
    def result(self) -> list[Run]: ...
    def close(self) -> None: ...


PATIENCE = 3  # seconds


class CollectorDied(RuntimeError):
    """The collecting process ended before its episodes arrived."""


class InlineCollector:
    """Collects in this process, at `start`."""

    def __init__(self, config: TrainConfig) -> None:
        self._collect = episode_source(config)
        self._runs: list[Run] = []

    def start(self, number: int, modules: Modules, turn: int = 0) -> None:
        self._runs = self._collect(Job(number, turn, pack(modules)))

    def result(self) -> list[Run]:
        return self._runs

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

    def start(self, number: int, modules: Modules, turn: int = 0) -> None:
        self._pipe.send(Job(number, turn, pack(modules)))

    def result(self) -> list[Run]:
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
        if not self._process.daemon:
            self._process.join(PATIENCE)  # it ends the processes of its environments
        self._process.terminate()
        self._process.join(5)


def pack(modules: Modules) -> bytes:
    buffer = io.BytesIO()
    states = {part: module.state_dict() for part, module in modules.items()}
    torch.save({part: {name: x.cpu() for name, x in state.items()} for part, state in states.items()}, buffer)
    return buffer.getvalue()


def episode_source(config: TrainConfig) -> Callable[[Job], list[Run]]:
    """A function from a job to its episodes, holding the environments and modules to load weights into."""
    together = config.episodes // turns(config)
    env = environment.make(config.env, together, config.size, config.envs)
    form = environment.shapes(config.env, config.size)
    model = build(config.model, form.observation, form.action, form.discrete)
    modules: dict[str, torch.nn.Module] = {"model": model}
    if config.agent != "planner":
        modules["agent"] = build_agent(config.actor, model.sizes, config.agent)
    ensemble = Ensemble(model.sizes)
    if config.explore:
        modules["ensemble"] = ensemble
    for module in modules.values():
        module.eval().requires_grad_(False)

    def collect(job: Job) -> list[Run]:
        for name, weights in torch.load(io.BytesIO(job.weights), weights_only=True).items():
            modules[name].load_state_dict(weights)
        which = ("turn", job.number, job.turn) if in_turns(config) else ("collect", job.number)
        generator, own = torch_generator(config.seed, *which), slice(job.turn, None, turns(config))
        objective: Objective = LearnedReward(model)
        if config.explore:
            objective = exploring(config, objective, ensemble, job.number, own)
        planner = collecting_planner(config, model, modules.get("agent"), generator, objective)
        seed = training_seed(config.seed, job.number) + job.turn * together
        return run_episode(model, planner, env, seed, noise_std=noise_levels(config)[own], generator=generator)

    return collect


def collecting_planner(
    config: TrainConfig,
    model: SequenceVAE,
    agent: torch.nn.Module | None,
    generator: torch.Generator,
    objective: Objective,
) -> Planner:
    """The planner of ``config.collect``, or the agent's policy, sampled."""
    learner = agent if isinstance(agent, ActorCritic | SoftActorCritic) else None
    if learner is None or planner_collects(config):
        policies = policies_of(learner, config.actor) if learner else NO_POLICIES
        return make_planner(config.collect, model, objective, generator, policies)
    return ActorPlanner(model, objective, generator, learner.actor, config.actor.horizon, sample=True)


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
