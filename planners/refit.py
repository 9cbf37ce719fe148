"""How the best candidates become the next sampling distribution: weights over the elites, then weighted moments."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from scipy.signal import savgol_filter
from torch import Tensor


def best_of(candidates: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` best of ``candidates [batch, candidates, horizon, action]`` in falling order, with their scores."""
    top, index = scores.topk(count, dim=-1)
    index = index[..., None, None].expand(-1, -1, *candidates.shape[2:])
    return candidates.gather(1, index), top


def elite_weights(scores: Tensor, temperature: float = math.inf) -> Tensor:
    """Weights ``[batch, elites]``, adding up to one, of elites with ``scores [batch, elites]`` in falling order.

    They count in proportion to ``exp(score / temperature)``; an infinite temperature counts them alike. A score of
    -inf gets no weight; where all are -inf, weights are NaN. CEM: some elites alike; MPPI: all candidates, by score
    (Williams 2017, eq. 34); TD-MPC: some elites, by score (Hansen 2022, eq. 4); random shooting: one elite.
    """
    if math.isinf(temperature):
        counted = (scores > -math.inf).to(scores.dtype)
        return counted / counted.sum(-1, keepdim=True)
    return torch.softmax((scores - scores[:, :1]) / temperature, dim=-1)


def weighted_mean(elites: Tensor, weights: Tensor) -> Tensor:
    """``[batch, horizon, action]`` of ``elites [batch, elites, horizon, action]``.

    It is held within [-1, 1], where all actions are: weights that add up to one by rounding only could leave it.
    """
    return _weighted(elites, weights).clamp_(-1, 1)


def weighted_std(elites: Tensor, weights: Tensor, mean: Tensor) -> Tensor:
    return _weighted((elites - mean[:, None]).square(), weights).sqrt()


def _weighted(x: Tensor, weights: Tensor) -> Tensor:
    return torch.bmm(weights[:, None], x.flatten(2)).view(x.shape[0], *x.shape[2:])


@cache
def smoothing(horizon: int, window: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Savitzky-Golay filter of order two as a matrix ``[horizon, horizon]``; MPPI smooths with it (Williams 2017)."""
    matrix = savgol_filter(np.eye(horizon), window, polyorder=2, axis=0)
    return torch.as_tensor(matrix, dtype=dtype, device=device)
