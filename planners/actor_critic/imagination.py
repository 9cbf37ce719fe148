"""Short futures as the model imagines them when a policy chooses the actions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from planners.actor_critic.actor import Actor
from worldmodel.interface import State, WorldModel


class Imagined(NamedTuple):
    """states: ``[batch, horizon + 1, latent]``, the start first. The rest is of the steps between them, ``[batch,
    horizon, action]``: the actions, the raw values that they came from, the noise that these were sampled with.
    """

    states: State
    actions: Tensor
    raw: Tensor
    noise: Tensor

    @property
    def before(self) -> State:
        """``[batch, horizon, latent]``, where each action was chosen."""
        return self.states.map(lambda x: x[:, :-1])

    @property
    def after(self) -> State:
        """``[batch, horizon, latent]``, where it led."""
        return self.states.map(lambda x: x[:, 1:])


def imagine(
    model: WorldModel, actor: Actor, start: State, noise: Tensor, latent_noise: Tensor | None = None
) -> Imagined:
    """Follow ``actor`` from ``start [batch, latent]``, with action noise ``[batch, horizon, action]``.

    latent_noise ``[batch, horizon, stoch]`` samples the dynamics; None takes their mean, as planners do. Differentiable
    through the dynamics and the actions, also by how the actor answers to where its earlier actions lead. To Dreamer's
    (Hafner 2020, algorithm 1) each state is a constant: an action then counts as if no later one would correct it, and
    where the dynamics are unstable (a pole upright) its gradient grows by the step.
    """
    states, actions, raws = [start], list[Tensor](), list[Tensor]()
    for t in range(noise.shape[1]):
        action, raw = actor(states[-1]).sample(noise[:, t])
        states.append(model.step(states[-1], action, None if latent_noise is None else latent_noise[:, t]))
        actions.append(action)
        raws.append(raw)
    return Imagined(stacked(states), torch.stack(actions, 1), torch.stack(raws, 1), noise)


def stacked(states: list[State]) -> State:
    """``[..., latent]`` each -> ``[..., time, latent]``."""
    return State(torch.stack([s.deter for s in states], -2), torch.stack([s.stoch for s in states], -2))
