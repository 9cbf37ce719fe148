"""The agent's side of training: its weights, optimisers and random numbers, and one update beside the model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from experiments.config import ActorConfig, TrainConfig
from experiments.policies import build_agent
from experiments.seeds import torch_generator
from planners.actor_critic.agent import ActorCritic
from planners.actor_critic.filtered_episodes import FilteredEpisodes, draw
from planners.actor_critic.soft_agent import SoftActorCritic
from planners.actor_critic.soft_update import SoftOptimizers, SoftSettings, Transitions, soft_update, transitions
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


@dataclass
class SoftLearner:
    """Soft actor-critic, learning from steps that were taken (`planners.actor_critic.soft_update`): those of the
    windows, beside the model, or those of whole episodes, in a finished one.
    """

    config: ActorConfig
    module: SoftActorCritic
    parts: SoftOptimizers
    generator: torch.Generator

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return self.parts._asdict()

    def learn(self, model: WorldModel, batch: Batch, states: State) -> dict[str, Tensor]:
        usable = batch.valid & ~batch.is_first
        return self.improve(
            transitions(states, batch.action, batch.reward, batch.terminated, usable, self.config.discount)
        )

    def teach(self, episodes: FilteredEpisodes) -> dict[str, Tensor]:
        """One update on ``config.starts`` steps of the episodes; numbers for the log."""
        config = self.config
        return self.improve(draw(episodes, config.starts, config.steps, config.discount, self.generator))

    def improve(self, steps: Transitions) -> dict[str, Tensor]:
        settings = SoftSettings(**{name: getattr(self.config, name) for name in SoftSettings._fields})
        return soft_update(self.module, self.parts, steps, self.generator, settings)


def set_rate(learner: ImaginationLearner | SoftLearner, share: float) -> None:
    """Of its own learning rate, for all of its parts."""
    for optimizer in learner.optimizers.values():
        optimizer.param_groups[0]["lr"] = share * learner.config.learning_rate


def make_learner(config: TrainConfig, sizes: Sizes, device: torch.device) -> Learner | None:
    """The learner of the run's agent as it is before the first update; None where a planner is all there is."""
    if config.agent == "planner":
        return None
    make = soft_learner if config.agent == "slac" else imagination_learner
    return make(config.actor, config.seed, sizes, device)


def soft_learner(config: ActorConfig, seed: int, sizes: Sizes, device: torch.device) -> SoftLearner:
    agent = first_agent(config, seed, sizes, device, "slac")
    parts = (agent.actor.parameters(), agent.critic.parameters(), [agent.log_temperature])
    optimizers = SoftOptimizers(*(torch.optim.Adam(part, lr=config.learning_rate, eps=1e-5) for part in parts))
    return SoftLearner(config, agent, optimizers, torch_generator(seed, "imagine", device=device.type))


def first_agent(config: ActorConfig, seed: int, sizes: Sizes, device: torch.device, kind: str) -> Any:
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(int(torch_generator(seed, "agent").initial_seed()))
        return build_agent(config, sizes, kind).to(device)


def imagination_learner(config: ActorConfig, seed: int, sizes: Sizes, device: torch.device) -> ImaginationLearner:
    agent = first_agent(config, seed, sizes, device, "actor-critic")
    parts = (agent.actor, agent.critic)
    optimizers = Optimizers(
        *(torch.optim.Adam(part.parameters(), lr=config.learning_rate, eps=1e-5, fused=True) for part in parts)
    )
    generator = torch_generator(seed, "imagine", device=device.type)
    return ImaginationLearner(config, agent, optimizers, generator)


def due(updates: int, ratio: float) -> int:
    """How many updates of the agent belong to the model's update number ``updates`` (from 0)."""
    return int((updates + 1) * ratio) - int(updates * ratio)
