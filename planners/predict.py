"""The one place where actions become a value. Every planner uses it, so that their values mean the same."""

from __future__ import annotations

import torch
from torch import Tensor

from planners.interface import Objective
from worldmodel.interface import State, WorldModel


def predict(
    model: WorldModel,
    objective: Objective,
    state: State,
    actions: Tensor,
    discount: float = 1.0,
    noise: Tensor | None = None,
) -> tuple[State, Tensor]:
    """Roll ``actions [..., horizon, action]`` out from ``state [..., latent]`` and add up what they earn.

    Returns the states arrived at, ``[..., horizon, latent]``, and the predicted return ``[...]``::

        value = Σ_{t=1..H} w_t · reward(z_t, a_{t-1})  +  w_{H+1} · terminal(z_H)
        w_t   = discount^{t-1} · Π_{k<t} continues(z_k)

    The reward on arrival in a state that ends the episode still counts; what would follow does not. Non-finite values
    are not hidden: the caller sees them. noise, if given, ``[..., horizon, stoch]``, samples the dynamics; None takes
    their mean. Raises ValueError when the leading axes of state and actions differ (see `with_candidates`).
    """
    _check_shapes(model, state, actions)
    states = model.rollout(state, actions, noise)
    return states, earned(objective, states, actions, discount)


def earned(objective: Objective, states: State, actions: Tensor, discount: float = 1.0) -> Tensor:
    """The return ``[...]`` of ``actions [..., horizon, action]`` that arrive in ``states [..., horizon, latent]``."""
    rewards = objective.reward(states, actions)
    weights = torch.cumprod(objective.continues(states) * discount, dim=-1)
    later = (weights[..., :-1] * rewards[..., 1:]).sum(-1)
    end = objective.terminal(states.map(lambda x: x[..., -1, :]))
    return rewards[..., 0] + later + weights[..., -1] * end


def with_candidates(state: State, candidates: int) -> State:
    """Add an axis of candidates without copying: ``[batch, latent] -> [batch, candidates, latent]``."""
    return state.map(lambda x: x[:, None].expand(-1, candidates, -1))


def _check_shapes(model: WorldModel, state: State, actions: Tensor) -> None:
    if actions.shape[-1] != model.sizes.action or actions.shape[:-2] != state.stoch.shape[:-1]:
        raise ValueError(
            f"Actions must be [..., horizon, {model.sizes.action}] with the leading axes of the state "
            f"{tuple(state.stoch.shape[:-1])}; the shape {tuple(actions.shape)} came. "
            "Add an axis of candidates to the state with `with_candidates`."
        )
