"""Where planners that follow a slope begin: the last plan, zeros, random sequences."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from planners.interface import Plan

HELD = 5  # steps that a random action is held: white noise averages out and moves nothing


def starting_actions(
    like: Tensor, shape: tuple[int, int, int, int], generator: torch.Generator, previous: Plan | None
) -> Tensor:
    """Action sequences to start at, ``[batch, starts, horizon, action]`` of the dtype and device of ``like``.

    In this order as far as ``starts`` goes: the previous plan if there is one, shifted by one step with its last action
    repeated; zeros; random sequences, uniform in [-1, 1] and held for `HELD` steps, the same for every environment (so
    that its plan does not depend on which others share its batch).
    """
    batch, starts, horizon, action = shape
    rows = [] if previous is None else [_shifted(previous, batch, horizon, action)[:, None]]
    rows.append(like.new_zeros(batch, 1, horizon, action))
    count = starts - len(rows)
    if count > 0:
        drawn = torch.rand(
            count, math.ceil(horizon / HELD), action, generator=generator, dtype=like.dtype, device=generator.device
        )
        random = (2 * drawn.to(like.device) - 1).repeat_interleave(HELD, dim=1)[:, :horizon]
        rows.append(random.expand(batch, -1, -1, -1))
    return torch.cat(rows, dim=1)[:, :starts]


def _shifted(previous: Plan, batch: int, horizon: int, action: int) -> Tensor:
    """A shorter plan (one that was followed for a while, see `planners.tracking`) is filled up with its last action."""
    actions = previous.actions
    if actions.shape[::2] != (batch, action) or actions.shape[1] > horizon:
        raise ValueError(
            f"The previous plan must be for the same batch and actions, and not longer than the horizon: "
            f"{(batch, horizon, action)}; one of {tuple(actions.shape)} came. Pass None to start afresh."
        )
    last = actions[:, -1:].expand(-1, horizon - actions.shape[1] + 1, -1)
    return torch.cat([actions[:, 1:], last], dim=1)
