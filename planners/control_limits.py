"""Policies of one step of a backward recursion when the action is limited: Tassa et al. 2014, section IV.

    minimise over k   ½ k' Muu k + mu' k   subject to   lower <= k <= upper,      K = -Muu⁻¹ Mux among the free actions

The feed-forward term k stays inside the limits; actions that are held at a limit get no feedback.
"""

from __future__ import annotations

import torch
from torch import Tensor

from planners.box_qp import box_qp, on_free


def limited_policy(m_ux: Tensor, m_uu: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """``G = [K k]``, ``[batch, action, latent + 1]``, see `planners.riccati`.

    m_ux ``[batch, action, latent + 1]`` (its last column is the slope mu), m_uu ``[batch, action, action]``, lower and
    upper ``[batch, action]``. Where m_uu is not positive definite, G is NaN (or infinite) in that row of the batch.
    """
    return _single(m_ux, m_uu, lower, upper) if m_uu.shape[-1] == 1 else _several(m_ux, m_uu, lower, upper)


def _single(m_ux: Tensor, m_uu: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """One action: the box is an interval and its quadratic program a clamp."""
    policy = m_ux / -m_uu
    free = policy[..., -1:]
    k = torch.clamp(free, lower[..., None], upper[..., None])
    return torch.cat([torch.where(k == free, policy[..., :-1], 0.0), k], dim=-1)


def _several(m_ux: Tensor, m_uu: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(m_uu)
    policy = -torch.cholesky_solve(m_ux, factor)
    k = policy[..., -1]
    if ((lower <= k) & (k <= upper)).all() and not failed.any():
        return policy
    k, free = box_qp(m_uu, m_ux[..., -1], lower, upper)
    factor, _ = torch.linalg.cholesky_ex(on_free(m_uu, free))
    K = -torch.cholesky_solve(m_ux[..., :-1] * free[..., None], factor)
    return torch.cat([K, k[..., None]], dim=-1)
