"""Whole episodes as a finished model filters them, and the steps in them that soft actor-critic learns from.

Filtered once, they cost an update nothing more: no picture is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from planners.actor_critic.soft_update import Transitions
from worldmodel.interface import State


class FilteredEpisodes(NamedTuple):
    """Rows ``[rows, ...]`` of episodes, one after the other; row t holds a_{t-1}, r_t and terminated_t.

    left: ``[rows]``, how many rows of the same episode follow.
    """

    states: State
    action: Tensor
    reward: Tensor
    terminated: Tensor
    left: Tensor


def one_episode(states: State, action: Tensor, reward: Tensor, terminated: Tensor) -> FilteredEpisodes:
    """Of rows ``[rows, ...]``, the first of which is the reset."""
    left = torch.arange(len(reward) - 1, -1, -1, device=reward.device)
    return FilteredEpisodes(states, action, reward, terminated, left)


def join(parts: Iterable[FilteredEpisodes]) -> FilteredEpisodes:
    """All of them, one after the other."""
    states, *fields = zip(*parts, strict=True)
    deter, stoch = (torch.cat([getattr(state, part) for state in states]) for part in State._fields)
    return FilteredEpisodes(State(deter, stoch), *(torch.cat(field) for field in fields))


def draw(
    episodes: FilteredEpisodes, count: int, steps: int, discount: float, generator: torch.Generator
) -> Transitions:
    """``count`` of them, ``steps`` rows long each or as long as the episode goes on, drawn with replacement.

    Rewards on the way are discounted and added up (n-step returns: Sutton 1988); they are those of the actions that
    were taken, whoever took them. ValueError where no episode has a step.
    """
    starts = episodes.left.nonzero()[:, 0]
    if not len(starts):
        raise ValueError("Steps are drawn from episodes of at least two rows; there is none. Collect one first.")
    first = starts[torch.randint(len(starts), (count,), generator=generator, device=starts.device)]
    length = episodes.left[first].clamp(max=steps)
    ahead = torch.arange(1, steps + 1, device=first.device)
    rows = first[:, None] + torch.minimum(ahead, length[:, None])
    weight = discount ** (ahead - 1) * (ahead <= length[:, None])
    last = first + length
    carry = discount**length * (1 - episodes.terminated[last].to(episodes.reward))
    return Transitions(
        before=episodes.states.map(lambda x: x[first]),
        action=episodes.action[first + 1],
        reward=(weight * episodes.reward[rows]).sum(1),
        carry=carry,
        after=episodes.states.map(lambda x: x[last]),
    )
