"""How scored candidates become the next sampling distribution: weights over candidates, then weighted moments."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from scipy.signal import savgol_filter
from torch import Tensor


def elite_weights(scores: Tensor, elites: int, temperature: float = math.inf) -> Tensor:
    """Weights ``[batch, candidates]``, adding up to one, of candidates with ``scores [batch, candidates]``.

    The best ``elites`` count, in proportion to ``exp(score / temperature)``; an infinite temperature counts them alike.
    A score of -inf gets no weight, and where all are -inf all weights are zero. CEM: some elites alike; MPPI: all, by
    score (Williams 2017, eq. 34); TD-MPC: some elites, by score (Hansen 2022, eq. 4); random shooting: one elite.
    """
    if elites == scores.shape[-1]:
        return _normalised(_unnormalised(scores, temperature))
    top, index = scores.topk(elites, dim=-1)
    return torch.zeros_like(scores).scatter(-1, index, _normalised(_unnormalised(top, temperature)))


def moments(candidates: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation ``[batch, horizon, action]`` of ``candidates [batch, candidates, ...]``.

    The mean is held within [-1, 1], where all actions are: weights that add up to one by rounding only could leave it.
    """
    mean = torch.bmm(weights[:, None], candidates.flatten(2)).clamp_(-1, 1)
    variance = torch.bmm(weights[:, None], (candidates.flatten(2) - mean).square())
    shape = candidates.shape[2:]
    return mean[:, 0].unflatten(-1, shape), variance[:, 0].sqrt().unflatten(-1, shape)


@cache
def smoothing(horizon: int, window: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Savitzky-Golay filter of order two as a matrix ``[horizon, horizon]``; MPPI smooths with it (Williams 2017)."""
    matrix = savgol_filter(np.eye(horizon), window, polyorder=2, axis=0)
    return torch.as_tensor(matrix, dtype=dtype, device=device)


def _unnormalised(scores: Tensor, temperature: float) -> Tensor:
    if math.isinf(temperature):
        return torch.isfinite(scores).to(scores.dtype)
    # The lowest finite number keeps a batch row with nothing but -inf at weights of zero rather than NaN.
    best = scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
    return torch.exp((scores - best) / temperature)


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
