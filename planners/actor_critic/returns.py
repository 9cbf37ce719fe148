"""λ-returns over imagined steps, and how much each step counts.

Rewards are paid on arrival: step t leads from state t to state t + 1 and pays ``reward_t``; ``discount_t`` is what all
that follows is worth then, the discount times the probability that the episode goes on.
"""

from __future__ import annotations

import torch
from torch import Tensor


def lambda_returns(reward: Tensor, discount: Tensor, value: Tensor, mixing: float) -> Tensor:
    """The return expected at the start of every step, ``[batch, horizon]`` (Sutton & Barto 2018, eq. 12.20)::

        R_t = reward_t + discount_t · ((1 - mixing) · value_t + mixing · R_{t+1}),     R_{H} = value_{H-1}

    reward, discount: ``[batch, horizon]``. value: ``[batch, horizon]``, of the states *arrived at*. mixing: λ; 0 trusts
    the value after one step, 1 only after the last.
    """
    following, returns = value[:, -1], []
    for t in reversed(range(reward.shape[1])):
        ahead = torch.lerp(value[:, t], following, mixing)
        following = torch.addcmul(reward[:, t], discount[:, t], ahead)
        returns.append(following)
    return torch.stack(returns[::-1], 1)


def reached(discount: Tensor) -> Tensor:
    """Weight of every step, ``[batch, horizon]``: the product of the discounts before it, one for the first."""
    weight = torch.cumprod(discount[:, :-1], 1)
    return torch.cat([torch.ones_like(discount[:, :1]), weight], 1)
