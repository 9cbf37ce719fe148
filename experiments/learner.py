"""The agent's side of training: its weights, optimisers and random numbers, and one update beside the model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from experiments.config import ActorConfig, TrainConfig
from experiments.policies import build_agent
from experiments.seeds import torch_generator
from planners.actor_critic.agent import ActorCritic
from planners.actor_critic.update import Optimizers, Settings, update
from planners.objective import LearnedReward
from worldmodel.interface import Sizes, State, WorldModel
from worldmodel.replay import Batch


class Learner(Protocol):
    """An agent in training. What it learns from is what the model was just updated on; the model it leaves alone."""

    generator: torch.Generator

    @property
    def module(self) -> nn.Module: ...
    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]: ...
    def learn(self, model: WorldModel, batch: Batch, states: State) -> dict[str, Tensor]:
        """One update on windows ``[batch, time, ...]`` with their filtered states; numbers for the log."""
        ...


@dataclass
class ImaginationLearner:
    """Actor and critic, learning from what the model imagines (`planners.actor_critic.update`)."""

    config: ActorConfig
    module: ActorCritic
    parts: Optimizers
    generator: torch.Generator

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return self.parts._asdict()

    def learn(self, model: WorldModel, batch: Batch, states: State) -> dict[str, Tensor]:
        valid = batch.valid
        return self.imagine(model, states.map(lambda x: x[valid]))

    def imagine(self, model: WorldModel, states: State) -> dict[str, Tensor]:
        """One update from ``config.starts`` of the states ``[rows, latent]``, drawn with replacement."""
        device = self.generator.device
        rows = torch.randint(len(states.stoch), (self.config.starts,), generator=self.generator, device=device)
        start = states.map(lambda x: x[rows])
        objective, numbers = LearnedReward(model), settings(self.config)
        return update(self.module, self.parts, model, objective, start, self.generator, numbers)


def settings(config: ActorConfig) -> Settings:
    return Settings(**{name: getattr(config, name) for name in Settings._fields})


def make_learner(config: TrainConfig, sizes: Sizes, device: torch.device) -> Learner | None:
    """The learner of the run's agent as it is before the first update; None where a planner is all there is."""
    return imagination_learner(config.actor, config.seed, sizes, device) if config.agent == "actor-critic" else None


def imagination_learner(config: ActorConfig, seed: int, sizes: Sizes, device: torch.device) -> ImaginationLearner:
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(int(torch_generator(seed, "agent").initial_seed()))
        agent = build_agent(config, sizes).to(device)
    parts = (agent.actor, agent.critic)
    optimizers = Optimizers(
        *(torch.optim.Adam(part.parameters(), lr=config.learning_rate, eps=1e-5, fused=True) for part in parts)
    )
    generator = torch_generator(seed, "imagine", device=device.type)
    return ImaginationLearner(config, agent, optimizers, generator)


def due(updates: int, ratio: float) -> int:
    """How many updates of the agent belong to the model's update number ``updates`` (from 0)."""
    return int((updates + 1) * ratio) - int(updates * ratio)
