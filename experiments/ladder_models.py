"""The rungs of the error ladder: the learned model with some of its parts replaced by the truth.

    rung              dynamics    start of each plan          reward
    simulator         true        true state                  true
    told-true-reward  learned     told the true state         true, of the probed state
    told              learned     told the true state         learned
    true-reward       learned     filtered from pictures      true, of the probed state
    learned           learned     filtered from pictures      learned

"Told": a probe fitted on the run's episodes turns the true state into the latent that the encoder gives on average.
"Probed": another one reads the true state off a latent, and the task's own reward is taken of that.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from envs.task import Task
from experiments import environment, run_folder
from experiments.state_probe import describe, latent_pairs, replayed, restore
from planners.interface import Objective
from planners.objective import LearnedReward, zeros_like
from worldmodel.insight.mlp_probe import Probe, fit_probe
from worldmodel.interface import Belief, Linearization, Sizes, State, WorldModel
from worldmodel.simulator import Simulator

Rung = Literal["simulator", "told-true-reward", "told", "true-reward", "learned"]


class Played(NamedTuple):
    """model: filters (or is told) and is planned on. probe: R² on held-out episodes of the probes in use, by name."""

    model: WorldModel
    objective: Objective
    probe: dict[str, float]


def rung_model(run: Path, rung: Rung, device: str) -> Played:
    """Model and objective of one rung; the simulator is on the CPU whatever ``device`` says. Raises UserError."""
    config = run_folder.read_config(run)
    if rung == "simulator":
        simulator = Simulator(truth_of(config.env), config.size)
        return Played(simulator, LearnedReward(simulator), {})
    learned = run_folder.load_model(run, torch.device(device))[1]
    model: WorldModel = learned
    objective: Objective = LearnedReward(learned)
    probe = {}
    if rung in ("told", "told-true-reward"):
        teller = probes(run, device).teller
        model, probe["latent of true state"] = ToldModel(learned, truth_of(config.env), teller), teller.r2
    if rung in ("true-reward", "told-true-reward"):
        reader = probes(run, device).reader
        objective, probe["true state of latent"] = ProbedReward(truth_of(config.env), reader), reader.r2
    return Played(model, objective, probe)


def truth_of(env: str) -> Task:
    return environment.built_in(env, "The error ladder")


class Probes(NamedTuple):
    """teller: from the described true state to the latent. reader: from the latent to the described true state."""

    teller: Probe
    reader: Probe


@functools.lru_cache(maxsize=4)
def probes(run: Path, device: str) -> Probes:
    """Fitted anew in every process, to the same bits: that takes seconds."""
    config, model = run_folder.load_model(run, torch.device(device))
    task, episodes = truth_of(config.env), replayed(run)
    filtered = latent_pairs(model, task, episodes, predicted=False)
    both = latent_pairs(model, task, episodes, predicted=True)
    teller = fit_probe(filtered.described, filtered.latent, filtered.held_out)
    reader = fit_probe(both.latent, both.described, both.held_out)
    return Probes(teller.to(device), reader.to(device))


@dataclass(frozen=True)
class ProbedReward:
    """The task's own reward and end of the episode, of the state that a probe reads off the latent."""

    task: Task
    reader: Probe

    def reward(self, states: State, actions: Tensor) -> Tensor:
        return self.task.reward(self._state(states))

    def continues(self, states: State) -> Tensor:
        return 1 - self.task.terminated(self._state(states)).to(states.stoch.dtype)

    def terminal(self, state: State) -> Tensor:
        return zeros_like(state)

    def _state(self, states: State) -> Tensor:
        return restore(self.task, self.reader(states.vector))


@dataclass(frozen=True)
class ToldModel:
    """A learned model that is told the true state in place of filtering pictures; otherwise as it is.

    Implements `worldmodel.interface.WorldModel` and `KnowsState`.
    """

    learned: WorldModel
    task: Task
    teller: Probe

    def believe(self, true_state: np.ndarray) -> Belief:
        """``[batch, state]`` -> the latent that goes with it."""
        nothing = self.learned.initial(len(true_state))
        truth = torch.from_numpy(true_state).to(nothing.state.stoch)
        parts = self.teller(describe(self.task, truth)).split([self.sizes.deter, self.sizes.stoch], -1)
        return Belief(State(*parts), nothing.memory)

    @property
    def sizes(self) -> Sizes:
        return self.learned.sizes

    def initial(self, batch: int) -> Belief:
        return self.learned.initial(batch)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        return self.learned.filter(belief, action, observation, noise)

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        return self.learned.step(state, action, noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        return self.learned.rollout(state, actions, noise)

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        return self.learned.linearize(states, actions)

    def decode(self, state: State) -> Tensor:
        return self.learned.decode(state)

    def reward(self, state: State) -> Tensor:
        return self.learned.reward(state)

    def continues(self, state: State) -> Tensor:
        return self.learned.continues(state)
