"""The linear-quadratic regulator: time-varying, with cross and affine terms, batched.

    minimise over u_0 .. u_{H-1}
        Σ_{t<H} ( ½ x_t' Q_t x_t + x_t' S_t u_t + ½ u_t' R_t u_t + q_t' x_t + r_t' u_t )  +  ½ x_H' Q_H x_H + q_H' x_H
    subject to
        x_{t+1} = A_t x_t + B_t u_t + c_t,   x_0 given.

The minimiser is ``u_t = K_t x_t + k_t``, the cost to go from step t ``½ x' V_t x + v_t' x + w_t``, both from one
Riccati recursion from the end (Bertsekas, Dynamic Programming and Optimal Control I, section 4.1). These are costs, to
be minimised; everywhere else in this package rewards are maximised.

Names: S is ``cross``, c is ``offset``, Q_H is ``final_Q``, q_H is ``final_q``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from planners.riccati import gains_of, riccati, stack_cost, stack_dynamics


class Regulator(NamedTuple):
    """Optimal policy and cost to go.

    K: ``[..., horizon, action, latent]``, k: ``[..., horizon, action]``.
    V: ``[..., horizon + 1, latent, latent]``, v: ``[..., horizon + 1, latent]``, w: ``[..., horizon + 1]``; the last
        row is the final cost.
    """

    K: Tensor
    k: Tensor
    V: Tensor
    v: Tensor
    w: Tensor


def lqr(
    A: Tensor,
    B: Tensor,
    Q: Tensor,
    R: Tensor,
    final_Q: Tensor,
    *,
    cross: Tensor | None = None,
    offset: Tensor | None = None,
    q: Tensor | None = None,
    r: Tensor | None = None,
    final_q: Tensor | None = None,
) -> Regulator:
    """Solve the problem above.

    A, Q ``[..., horizon, latent, latent]``, B, cross ``[..., horizon, latent, action]``, R ``[..., horizon, action,
    action]``, offset, q ``[..., horizon, latent]``, r ``[..., horizon, action]``, final_Q ``[..., latent, latent]``,
    final_q ``[..., latent]``. Q, R and final_Q are symmetric. Terms left out are zero.

    Raises ValueError for shapes that do not fit, and where the problem has no minimum (the action's curvature
    ``R + B' V B`` is not positive definite at some step).
    """
    leading, (latent, action) = B.shape[:-2], B.shape[-2:]
    cross = _given(cross, "cross", (*leading, latent, action), B)
    q, r = _given(q, "q", (*leading, latent), B), _given(r, "r", (*leading, action), B)
    final_q = _given(final_q, "final_q", (*leading[:-1], latent), B)
    for name, x, shape in (("A", A, (latent, latent)), ("Q", Q, (latent, latent)), ("R", R, (action, action))):
        _given(x, name, (*leading, *shape), B)
    _given(final_Q, "final_Q", (*leading[:-1], latent, latent), B)
    offset = _given(offset, "offset", (*leading, latent), B)

    hessian = torch.cat([torch.cat([Q, cross], -1), torch.cat([cross.mT, R], -1)], -2)
    cost = stack_cost(hessian, torch.cat([q, r], -1))
    final = stack_cost(pad(final_Q, (0, action, 0, action)), pad(final_q, (0, action)))
    flat = [x.reshape(-1, *x.shape[len(leading) - 1 :]) for x in (stack_dynamics(A, B, offset), cost, final)]
    solved = riccati(flat[0], flat[1], flat[2], action, _minimise)
    policies, values = (torch.stack(x, dim=1).reshape(*leading[:-1], -1, *x[0].shape[1:]) for x in solved)
    V, v, w = values[..., :latent, :latent], values[..., :latent, -1], values[..., -1, -1] / 2
    return Regulator(*gains_of(policies), V, v, w)


def rollout(
    regulator: Regulator, A: Tensor, B: Tensor, start: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the policy from start ``[..., latent]``: arrived-at ``[..., horizon, latent]``, actions ``[..., horizon,
    action]``.
    """
    x, xs, us = start[..., None], [], []
    for t in range(A.shape[-3]):
        u = regulator.K[..., t, :, :] @ x + regulator.k[..., t, :, None]
        x = A[..., t, :, :] @ x + B[..., t, :, :] @ u
        x = x if offset is None else x + offset[..., t, :, None]
        xs.append(x[..., 0])
        us.append(u[..., 0])
    return torch.stack(xs, dim=-2), torch.stack(us, dim=-2)


def _minimise(t: int, m_u: Tensor, m_uu: Tensor) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(m_uu)
    if failed.any():
        raise ValueError(
            f"the cost has no minimum: at step {t} the curvature of the action, R + B' V B, is not positive definite; "
            f"got {m_uu[failed.bool()][0].tolist()}; make R positive definite"
        )
    return torch.cholesky_solve(m_u, factor)


def _given(x: Tensor | None, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
    if x is None:
        return like.new_zeros(shape)
    if x.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, to fit B of {tuple(like.shape)}; got {tuple(x.shape)}")
    return x
