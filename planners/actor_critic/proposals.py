"""What an actor would do, as candidates for a search (TD-MPC: Hansen 2022, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from planners.actor_critic.actor import Actor
from planners.actor_critic.policy import roll_policy
from planners.predict import with_candidates
from worldmodel.interface import State, WorldModel


@dataclass(frozen=True)
class ActorProposals:
    """``count`` sequences per decision: first the policy's mode, then samples.

    Implements `planners.sampling.Proposals`. The samples' noise is the same for all environments of a batch, as in
    `planners.sampling`.
    """

    model: WorldModel
    actor: Actor
    generator: torch.Generator
    horizon: int
    count: int = 8

    def __call__(self, state: State) -> Tensor:
        """``[batch, count, horizon, action]`` from ``state [batch, latent]``."""
        shape = (self.horizon, 1, self.count, self.actor.action)
        noise = torch.randn(shape, generator=self.generator, device=self.generator.device).to(state.stoch)
        noise[:, :, 0] = 0  # the sample without noise is the mode
        return roll_policy(self.model, self.actor, with_candidates(state, self.count), list(noise))[1]
