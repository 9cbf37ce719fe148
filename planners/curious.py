"""Rewards, and beside them a bonus for going where little is known of what comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from planners.interface import Objective
from worldmodel.interface import State


@dataclass(frozen=True)
class Curious:
    """``objective``, and ``weight`` times what ``surprise`` says of acting in the states on the way (Sekar 2020).

    surprise: ``[..., latent]``, ``[..., action] -> [...]``, e.g. `worldmodel.disagreement.Ensemble.surprise`. weight:
    ``[batch]``, one per environment. Of the first action, in a state that is not part of the plan, nothing is said.
    """

    objective: Objective
    surprise: Callable[[State, Tensor], Tensor]
    weight: Tensor

    def reward(self, states: State, actions: Tensor) -> Tensor:
        """Of whole plans, ``[batch, ..., horizon, latent]`` and ``[batch, ..., horizon, action]``."""
        before = states.map(lambda x: x[..., :-1, :])
        bonus = functional.pad(self.surprise(before, actions[..., 1:, :]), (1, 0))
        weight = self.weight.view(-1, *[1] * (bonus.dim() - 1))
        return self.objective.reward(states, actions) + weight * bonus

    def continues(self, states: State) -> Tensor:
        return self.objective.continues(states)

    def terminal(self, state: State) -> Tensor:
        return self.objective.terminal(state)
