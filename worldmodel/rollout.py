"""Roll-outs of any dynamics by a plain loop, for those that no kernel rolls."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from worldmodel.interface import State

Step = Callable[[State, Tensor, Tensor | None], State]


def rollout_by_steps(step: Step, state: State, inputs: Tensor, noise: Tensor | None = None) -> State:
    """Repeat ``step(state, inputs_t, noise_t)`` along ``inputs [..., horizon, width]``: actions, or what they become.

    The leading axes of ``inputs`` are the result's; those of ``state [..., latent]`` and of ``noise [..., horizon,
    stoch]`` broadcast to them. ``step`` sees one axis of rows. Returns the states arrived at, ``[..., horizon,
    latent]``.
    """
    lead, horizon = inputs.shape[:-2], inputs.shape[-2]
    rows = math.prod(lead)
    state = state.map(lambda x: x.expand(*lead, x.shape[-1]).reshape(rows, x.shape[-1]))
    inputs = inputs.reshape(rows, *inputs.shape[-2:])
    if noise is not None:
        noise = noise.expand(*lead, *noise.shape[-2:]).reshape(rows, *noise.shape[-2:])
    arrived = []
    for t in range(horizon):
        state = step(state, inputs[:, t], None if noise is None else noise[:, t])
        arrived.append(state)
    shape = (*lead, horizon)
    deter, stoch = (torch.stack(parts, 1) for parts in zip(*arrived, strict=True))
    return State(deter.reshape(*shape, deter.shape[-1]), stoch.reshape(*shape, stoch.shape[-1]))
