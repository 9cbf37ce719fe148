"""Policies of one step of a backward recursion when the action is limited: Tassa et al. 2014, section IV.

    minimise over k   ½ k' Muu k + mu' k   subject to   lower <= k <= upper,      K = -Muu⁻¹ Mux among the free actions

The feed-forward term k stays inside the limits; actions that are held at a limit get no feedback.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from planners.box_qp import box_qp, on_free


def limited_policy(m_u: Tensor, m_uu: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """``G = [-K I -k]``, ``[batch, action, n]``, see `planners.riccati`.

    m_u ``[batch, action, n]``, m_uu ``[batch, action, action]``; lower and upper ``[batch, action, n]`` are limits of G
    where the action is held, as made by `limits_of_policy`. Where m_uu is not positive definite, G is not finite in
    that row of the batch.
    """
    return _single(m_u, m_uu, lower, upper) if m_uu.shape[-1] == 1 else _several(m_u, m_uu, lower, upper)


def limits_of_policy(lower: Tensor, upper: Tensor, latent: int) -> tuple[Tensor, Tensor]:
    """Limits of k, ``[..., action]``, as limits of ``G = [-K I -k]``, ``[..., action, n]``; a held K is zero."""
    action = lower.shape[-1]
    itself = torch.eye(action, dtype=lower.dtype, device=lower.device).expand(*lower.shape, -1)
    held = pad(itself, (latent, 0))
    least, most = (torch.cat([held, -k[..., None]], dim=-1) for k in (upper, lower))
    return least, most


def _single(m_u: Tensor, m_uu: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """One action: the box is an interval and its quadratic program a clamp."""
    policy = m_u / m_uu
    held = policy.clamp(lower, upper)
    inside = (held == policy).narrow(2, policy.shape[2] - 1, 1)
    return torch.where(inside, policy, held)


def _several(m_u: Tensor, m_uu: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(m_uu)
    policy = torch.cholesky_solve(m_u, factor)
    least, k, most = -upper[..., -1], -policy[..., -1], -lower[..., -1]
    if ((least <= k) & (k <= most)).all() and not failed.any():
        return policy
    k, free = box_qp(m_uu, m_u[..., -1], least, most)
    factor, _ = torch.linalg.cholesky_ex(on_free(m_uu, free))
    latent = m_u.shape[2] - m_u.shape[1] - 1
    K = torch.cholesky_solve(m_u[..., :latent] * free[..., None], factor)
    return torch.cat([K, lower[..., latent:-1], -k[..., None]], dim=-1)
