"""The backward recursion shared by LQR and iLQR, in homogeneous coordinates.

With the column ``y = (x, 1, u)`` instead of ``x`` and ``u``, linear and constant terms are entries of one matrix, so
that one step of the recursion is a handful of batched matrix products however general the problem is. Small tensors in
PyTorch are bound by the number of calls; that is what this form keeps low.

    dynamics  F = [A c B; 0 1 0; 0 0 0]               (x', 1, 0) = F y
    cost      C = [Q q S; q' 0 r'; S' r R]            ½ y' C y
    value     P = [V v 0; v' 2w 0; 0 0 0]             ½ y' P y
    policy    G = [-K -k I]                           u = K x + k  is  G y = 0

Per step, with ``M = C + F' P F`` and its rows ``Mu`` and block ``Muu`` of the action, any policy G gives the value
``M - Mu' G - G' (Mu - Muu G)`` (Tassa et al. 2012, eq. 11); the best one is ``G = Muu⁻¹ Mu``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# policy(t, Mu [batch, action, n], Muu [batch, action, action]) -> G [batch, action, n], with n = latent + 1 + action
Policy = Callable[[int, Tensor, Tensor], Tensor]


def riccati(dynamics: Tensor, cost: Tensor, final: Tensor, action: int, policy: Policy) -> tuple[Tensor, Tensor]:
    """Policies and values from the last step to the first.

    dynamics and cost ``[batch, horizon, n, n]``, final value ``[batch, n, n]``, all as above with ``n = latent + 1 +
    action``. Returns policies ``[batch, horizon, action, n]`` and values ``[batch, horizon + 1, n, n]``.
    """
    before = cost.shape[-1] - action
    forwards, backwards, costs = dynamics.unbind(1), dynamics.mT.unbind(1), cost.unbind(1)
    value, values, policies = final, [final], []
    for t in reversed(range(len(costs))):
        m = torch.baddbmm(costs[t], backwards[t], torch.bmm(value, forwards[t]))
        m_u = m.narrow(1, before, action)
        m_uu = m_u.narrow(2, before, action)
        g = policy(t, m_u, m_uu)
        rest = torch.baddbmm(m_u, m_uu, g, alpha=-1)
        value = torch.baddbmm(m, m_u.mT, g, alpha=-1).baddbmm_(g.mT, rest, alpha=-1)
        policies.append(g)
        values.append(value)
    return torch.stack(policies[::-1], dim=1), torch.stack(values[::-1], dim=1)


def gains_of(policies: Tensor) -> tuple[Tensor, Tensor]:
    """``K [..., action, latent]`` and ``k [..., action]`` of policies G ``[..., action, n]``."""
    latent = policies.shape[-1] - policies.shape[-2] - 1
    return -policies[..., :latent], -policies[..., latent]


def stack_dynamics(A: Tensor, B: Tensor, offset: Tensor | None = None) -> Tensor:
    """``F`` of ``x' = A x + B u + offset``: ``[..., n, n]``."""
    latent, action = B.shape[-2:]
    offset = torch.zeros_like(A[..., 0]) if offset is None else offset
    below = A.new_zeros(1 + action, latent + 1 + action)
    below[0, latent] = 1
    top = torch.cat([A, offset[..., None], B], dim=-1)
    return torch.cat([top, below.expand(*A.shape[:-2], -1, -1)], dim=-2)


def stack_cost(hessian: Tensor, gradient: Tensor, latent: int) -> Tensor:
    """``C`` of ``½ (x, u)' hessian (x, u) + gradient' (x, u)``: the ``1`` goes in after x.

    hessian ``[..., latent + action, latent + action]``, gradient ``[..., latent + action]`` -> ``[..., n, n]``.
    """
    last = gradient.shape[-1]
    order = [*range(latent), last, *range(latent, last)]
    wide = torch.cat([hessian, gradient[..., None]], dim=-1)
    row = torch.nn.functional.pad(gradient, (0, 1))[..., None, :]
    index = torch.tensor(order, device=hessian.device)
    return torch.cat([wide, row], dim=-2)[..., index[:, None], index]
