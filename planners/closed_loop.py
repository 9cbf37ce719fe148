"""Roll-outs under feedback: what iLQR's line search tries, and what is executed between two decisions."""

from __future__ import annotations

import torch
from torch import Tensor

from planners.interface import Objective
from worldmodel.interface import State, WorldModel


def closed_loop(
    model: WorldModel, start: State, reference: Tensor, actions: Tensor, gains: Tensor
) -> tuple[State, Tensor]:
    """Run ``a_t = clamp(actions_t + gains_t (z_t - reference_t), -1, 1)`` through the model.

    start ``[..., candidates, latent]``, reference ``[..., horizon, latent]`` (the latents that actions were meant for:
    departed from, not arrived at), actions ``[..., candidates, horizon, action]``, gains ``[..., horizon, action,
    latent]``. Returns states arrived at ``[..., candidates, horizon, latent]`` and the actions taken, of the shape of
    ``actions``.
    """
    leading = actions.shape[:-3]
    by_reference = (gains @ reference[..., None])[..., 0]
    offsets = (actions - by_reference[..., None, :, :]).flatten(0, -4).unbind(2)  # all that does not wait for a state
    feedback = gains.mT.flatten(0, -4).unbind(1)
    state, states, taken = start.map(lambda x: x.flatten(0, -3)), [], []
    for a_t, k_t in zip(offsets, feedback, strict=True):
        action = torch.baddbmm(a_t, state.vector, k_t).clamp_(-1, 1)
        state = model.step(state, action)
        states.append(state)
        taken.append(action)
    arrived = State(*(torch.stack(parts, dim=-2).unflatten(0, leading) for parts in zip(*states, strict=True)))
    return arrived, torch.stack(taken, dim=-2).unflatten(0, leading)


def path_value(objective: Objective, states: State, actions: Tensor, discount: float) -> Tensor:
    """Return of states already rolled out, ``[...]``: the sum of `planners.predict`."""
    rewards = objective.reward(states, actions)
    weights = torch.cumprod(objective.continues(states) * discount, dim=-1)
    later = (weights[..., :-1] * rewards[..., 1:]).sum(-1)
    return rewards[..., 0] + later + weights[..., -1] * objective.terminal(states.map(lambda x: x[..., -1, :]))
