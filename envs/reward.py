"""One reward function for every task: how far a quantity is from where it should be, as a number in [0, 1]."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def tolerance(x: Tensor, lower: float, upper: float, margin: float, value_at_margin: float = 0.1) -> Tensor:
    """1 within ``[lower, upper]``; outside a Gaussian tail that is ``value_at_margin`` at a distance of ``margin``.

    x: ``[...]`` -> ``[...]`` in [0, 1]. After `rewards.tolerance` of the DeepMind Control Suite (Tassa et al. 2018).
    """
    if lower > upper:
        raise ValueError(f"lower must not be above upper, but came lower={lower}, upper={upper}; swap them")
    if margin <= 0 or not 0 < value_at_margin < 1:
        raise ValueError(
            f"margin must be positive and value_at_margin within (0, 1), but came {margin=}, {value_at_margin=}; "
            "for a sharp edge take a small margin"
        )
    distance = torch.relu(lower - x) + torch.relu(x - upper)
    return torch.exp(math.log(value_at_margin) * (distance / margin) ** 2)
