"""Second-order models of the return along a trajectory, as costs that a Riccati recursion can take.

Reward is paid on arrival, ``r(z', a)``, so it is quadratized in the state arrived at and the action, jointly. A
minimum exists only where the cost is convex; the curvature of each step is made positive semi-definite by raising the
negative eigenvalues of the JOINT matrix over (z', a) to zero. Doing so for the blocks of z' and a apart leaves the
joint matrix indefinite where there are cross terms, and the recursion then fails.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from planners.interface import Objective
from planners.riccati import stack_cost
from worldmodel.interface import State
from worldmodel.linearize import rows_of_jacobian


def quadratize(objective: Objective, states: State, actions: Tensor, discount: float = 1.0) -> tuple[Tensor, Tensor]:
    """Costs around states arrived at ``[..., horizon, latent]`` and actions ``[..., horizon, action]``.

    Returns the cost of each step, ``[..., horizon, n, n]``, and of the end, ``[..., n, n]``, in deviations ``(dz', da,
    1)`` as `planners.riccati` stacks them, ``n = latent + action + 1``; signs are those of costs. Weights are
    those of `planners.predict`: discount and the probability of being alive. What survival does to later rewards enters
    to first order exactly; of its second order, products of slopes of survival and later value are left out. A Hessian
    that is not finite is taken for zero.
    """
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in (*states, actions)]
        arrived = State(*inputs[:2])
        gain, alive = objective.reward(arrived, inputs[2]), objective.continues(arrived)
        end_inputs = [x.detach()[..., -1, :].requires_grad_() for x in states]
        end = objective.terminal(State(*end_inputs))
        if alive.requires_grad:
            gain = gain + discount * alive * _to_go(gain.detach(), alive.detach(), end.detach(), discount)
        weights = torch.cumprod(alive.detach() * discount, dim=-1)
        before = torch.cat([torch.ones_like(weights[..., :1]), weights[..., :-1]], dim=-1)
        step_cost = stack_cost(*_convex_cost(gain, inputs, before))
        if not end.requires_grad:
            return step_cost, step_cost.new_zeros(*end.shape, *step_cost.shape[-2:])
        hessian, gradient = _convex_cost(end, end_inputs, weights[..., -1])
    width = actions.shape[-1]
    return step_cost, stack_cost(pad(hessian, (0, width, 0, width)), pad(gradient, (0, width)))


def project_psd(hessian: Tensor) -> Tensor:
    """The nearest positive semi-definite matrices to symmetric ``[..., n, n]``, in Frobenius norm (Higham 1988).

    Unchanged where the Cholesky factorisation finds all of them positive definite, which is far cheaper. Eigenvalues
    are raised to rounding errors of the largest one rather than to zero, so that the factorisation exists. Matrices
    that are not finite become zero.
    """
    if not torch.linalg.cholesky_ex(hessian).info.any() and hessian.sum().isfinite():
        return hessian
    finite = torch.isfinite(hessian).all(-1, keepdim=True).all(-2, keepdim=True)
    values, vectors = torch.linalg.eigh(torch.where(finite, hessian, 0.0))
    floor = torch.finfo(hessian.dtype).eps * values.abs().amax(-1, keepdim=True)
    return (vectors * values.maximum(floor)[..., None, :]) @ vectors.mT


def _convex_cost(value: Tensor, inputs: list[Tensor], weight: Tensor) -> tuple[Tensor, Tensor]:
    """Hessian ``[..., n, n]``, made convex, and gradient ``[..., n]`` of the cost ``-weight · value``, row by row."""
    if not value.requires_grad:
        size = sum(x.shape[-1] for x in inputs)
        return value.new_zeros(*value.shape, size, size), value.new_zeros(*value.shape, size)
    found = torch.autograd.grad(value.sum(), inputs, create_graph=True, materialize_grads=True)
    gradient = torch.cat(found, dim=-1)
    hessian = torch.cat(rows_of_jacobian(gradient, inputs), dim=-1)
    return project_psd(hessian * -weight[..., None, None]), gradient.detach() * -weight[..., None]


def _to_go(rewards: Tensor, alive: Tensor, end: Tensor, discount: float) -> Tensor:
    """Return after each step, given that it was survived: ``[..., horizon]``."""
    later, values = end, [end]
    for t in range(rewards.shape[-1] - 1, 0, -1):
        later = rewards[..., t] + discount * alive[..., t] * later
        values.append(later)
    return torch.stack(values[::-1], dim=-1)
