"""The backward recursion shared by LQR and iLQR, in homogeneous coordinates.

With the column ``y = (x, u, 1)`` instead of ``x`` and ``u``, linear and constant terms are entries of one matrix, so
that one step of the recursion is a handful of batched matrix products however general the problem is. Small tensors in
PyTorch are bound by the number of calls; that is what this form keeps low.

    dynamics  F = [A B c; 0 0 0; 0 0 1]               (x', 0, 1) = F y
    cost      C = [Q S q; S' R r; q' r' 0]            ½ y' C y
    value     P = [V 0 v; 0 0 0; v' 0 2w]             ½ y' P y
    policy    G = [-K I -k]                           u = K x + k  is  G y = 0

Per step, with ``M = C + F' P F`` and its rows ``Mu`` and block ``Muu`` of the action, any policy G gives the value
``M - Mu' G - G' (Mu - Muu G)`` (Tassa et al. 2012, eq. 11); the best one is ``G = Muu⁻¹ Mu``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

# policy(t, Mu [batch, action, n], Muu [batch, action, action]) -> G [batch, action, n], with n = latent + action + 1
Policy = Callable[[int, Tensor, Tensor], Tensor]


def riccati(
    dynamics: Tensor, cost: Tensor, final: Tensor, action: int, policy: Policy
) -> tuple[list[Tensor], list[Tensor]]:
    """Policies and values of each step.

    dynamics and cost ``[batch, horizon, n, n]``, final value ``[batch, n, n]``, all as above with ``n = latent +
    action + 1``. Returns policies ``[batch, action, n]``, one per step, and values ``[batch, n, n]``, one more.
    """
    latent = cost.shape[-1] - action - 1
    forwards, backwards, costs = dynamics.unbind(1), dynamics.mT.unbind(1), cost.unbind(1)
    value, values, policies = final, [final], []
    minus = _minus_outer if action == 1 else _minus_product
    for t in reversed(range(len(costs))):
        m = torch.baddbmm(costs[t], backwards[t], torch.bmm(value, forwards[t]))
        m_u = m.narrow(1, latent, action)
        m_uu = m_u.narrow(2, latent, action)
        g = policy(t, m_u, m_uu)
        value = minus(minus(m, m_u.mT, g), g.mT, minus(m_u, m_uu, g))
        policies.append(g)
        values.append(value)
    return policies[::-1], values[::-1]


def _minus_product(m: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.baddbmm(m, a, b, alpha=-1)


def _minus_outer(m: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The same where the inner dimension is one; then it is three times faster."""
    return torch.addcmul(m, a, b, value=-1)


def gains_of(policies: Tensor) -> tuple[Tensor, Tensor]:
    """``K [..., action, latent]`` and ``k [..., action]`` of policies G ``[..., action, n]``."""
    latent = policies.shape[-1] - policies.shape[-2] - 1
    return -policies[..., :latent], -policies[..., -1]


def stack_dynamics(A: Tensor, B: Tensor, offset: Tensor | None = None) -> Tensor:
    """``F`` of ``x' = A x + B u + offset``: ``[..., n, n]``."""
    latent, action = B.shape[-2:]
    offset = torch.zeros_like(A[..., 0]) if offset is None else offset
    below = A.new_zeros(action + 1, latent + action + 1)
    below[-1, -1] = 1
    top = torch.cat([A, B, offset[..., None]], dim=-1)
    return torch.cat([top, below.expand(*A.shape[:-2], -1, -1)], dim=-2)


def stack_cost(hessian: Tensor, gradient: Tensor) -> Tensor:
    """``C`` of ``½ (x, u)' hessian (x, u) + gradient' (x, u)``.

    hessian ``[..., latent + action, latent + action]``, gradient ``[..., latent + action]`` -> ``[..., n, n]``.
    """
    wide = torch.cat([hessian, gradient[..., None]], dim=-1)
    return torch.cat([wide, pad(gradient, (0, 1))[..., None, :]], dim=-2)
