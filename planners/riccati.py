"""The backward recursion shared by LQR and iLQR, in homogeneous coordinates.

With the column ``(x, 1)`` instead of ``x``, linear and constant terms are entries of one matrix, so that one step of
the recursion is a handful of batched matrix products however general the problem is. Small tensors in PyTorch are bound
by the number of calls; that is what this form keeps low. Order of a stacked column: ``(x, 1, u)``.

    dynamics  F = [A c B; 0 1 0]                      (x', 1) = F (x, 1, u)
    cost      C = [Q q S; q' 0 r'; S' r R]            ½ (x, 1, u)' C (x, 1, u)
    value     P = [V v; v' 2w]                        ½ (x, 1)' P (x, 1)
    policy    G = [K k]                               u = G (x, 1)

Per step, with ``M = C + F' P F`` in blocks of ``(x, 1)`` and ``u``, any policy G gives the value
``Mxx + Mxu G + G' (Mux + Muu G)`` (Tassa et al. 2012, eq. 11); the best one solves ``Muu G = -Mux``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# policy(t, Mux [batch, action, latent + 1], Muu [batch, action, action]) -> G [batch, action, latent + 1]
Policy = Callable[[int, Tensor, Tensor], Tensor]


def riccati(dynamics: Tensor, cost: Tensor, final: Tensor, policy: Policy) -> tuple[Tensor, Tensor]:
    """Policies and values from the last step to the first.

    dynamics ``[batch, horizon, latent + 1, latent + 1 + action]``, cost ``[batch, horizon, latent + 1 + action,
    latent + 1 + action]``, final value ``[batch, latent + 1, latent + 1]``. Returns policies ``[batch, horizon, action,
    latent + 1]`` and values ``[batch, horizon + 1, latent + 1, latent + 1]``.
    """
    widths = [final.shape[-1], cost.shape[-1] - final.shape[-1]]
    forwards, backwards, costs = dynamics.unbind(1), dynamics.mT.unbind(1), cost.unbind(1)
    value, values, policies = final, [final], []
    for t in reversed(range(len(costs))):
        joint = torch.baddbmm(costs[t], backwards[t], torch.bmm(value, forwards[t]))
        upper, lower = joint.split(widths, dim=1)
        (m_xx, m_xu), (m_ux, m_uu) = upper.split(widths, dim=2), lower.split(widths, dim=2)
        gain = policy(t, m_ux, m_uu)
        value = torch.baddbmm(m_xx, m_xu, gain).baddbmm_(gain.mT, torch.baddbmm(m_ux, m_uu, gain))
        policies.append(gain)
        values.append(value)
    return torch.stack(policies[::-1], dim=1), torch.stack(values[::-1], dim=1)


def stack_dynamics(A: Tensor, B: Tensor, offset: Tensor | None = None) -> Tensor:
    """``F`` of ``x' = A x + B u + offset``: ``[..., latent + 1, latent + 1 + action]``."""
    latent, action = B.shape[-2:]
    offset = A.new_zeros(*A.shape[:-1]) if offset is None else offset
    constant = A.new_zeros(1, latent + 1 + action)
    constant[:, latent] = 1
    top = torch.cat([A, offset[..., None], B], dim=-1)
    return torch.cat([top, constant.expand(*A.shape[:-2], 1, -1)], dim=-2)


def stack_quadratic(hessian: Tensor, gradient: Tensor, latent: int) -> Tensor:
    """``C`` of ``½ y' hessian y + gradient' y`` with ``y = (x, u)``: the ``1`` goes in after ``x``.

    hessian ``[..., n, n]``, gradient ``[..., n]`` -> ``[..., n + 1, n + 1]``; with ``n = latent`` it is a value ``P``.
    """
    column = gradient[..., None]
    wide = torch.cat([hessian[..., :latent], column, hessian[..., latent:]], dim=-1)
    corner = column.new_zeros(*column.shape[:-2], 1, 1)
    row = torch.cat([gradient[..., None, :latent], corner, gradient[..., None, latent:]], dim=-1)
    return torch.cat([wide[..., :latent, :], row, wide[..., latent:, :]], dim=-2)
