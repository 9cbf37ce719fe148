"""Behaviour cloning: an actor learns to decide as a planner did, in one pass instead of a search (Pomerleau 1991)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from planners.actor_critic.actor import Actor, Choice
from planners.actor_critic.update import gradient
from planners.interface import Planner
from worldmodel.interface import State


@torch.no_grad()
def decisions(planner: Planner, states: State, batch: int) -> Tensor:
    """What ``planner`` does in each of ``states [rows, latent]``, ``[rows, action]``, from scratch, so many at once."""
    parts = zip(states.deter.split(batch), states.stoch.split(batch), strict=True)
    return torch.cat([planner.plan(State(*part))[0] for part in parts])


def imitate(actor: Actor, optimizer: torch.optim.Optimizer, states: State, actions: Tensor, clip: float) -> Tensor:
    """One update towards ``actions [batch, action]`` in ``states [batch, latent]``; the loss before it.

    The loss of the policy's mode: squared error, or of discrete actions the cross-entropy. The policy's width is not
    learned: a distilled actor does not explore.
    """
    loss = mismatch(actor, states, actions)
    gradient(loss, actor, clip)
    optimizer.step()
    return loss.detach()


def mismatch(actor: Actor, states: State, actions: Tensor) -> Tensor:
    policy = actor(states)
    if isinstance(policy, Choice):
        return -policy.log_prob(actions).mean()
    return functional.mse_loss(policy.mode, actions)
