"""Second-order models of the return along a trajectory, as costs that a Riccati recursion can take.

Reward is paid on arrival, ``r(z', a)``, so it is quadratized in the state arrived at and the action, jointly. A
minimum exists only where the cost is convex; the curvature of each step is made positive semi-definite by raising the
negative eigenvalues of the JOINT matrix over (z', a) to zero. Doing so for the blocks of z' and a apart leaves the
joint matrix indefinite where there are cross terms, and the recursion then fails.
"""

from __future__ import annotations

import torch
from torch import Tensor

from planners.interface import Objective
from planners.riccati import stack_quadratic
from worldmodel.interface import State
from worldmodel.linearize import rows_of_jacobian


def quadratize(objective: Objective, states: State, actions: Tensor, discount: float = 1.0) -> tuple[Tensor, Tensor]:
    """Costs around states arrived at ``[..., horizon, latent]`` and actions ``[..., horizon, action]``.

    Returns the cost of each step in deviations ``(dz', 1, da)``, ``[..., horizon, latent + 1 + action, latent + 1 +
    action]``, and of the end in ``(dz', 1)``, ``[..., latent + 1, latent + 1]``; signs are those of costs. Weights are
    those of `planners.predict`: discount and the probability of being alive. What survival does to later rewards enters
    to first order exactly; of its second order, products of slopes of survival and later value are left out. A Hessian
    that is not finite is taken for zero.
    """
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in (*states, actions)]
        latent = State(*inputs[:2])
        rewards, alive = objective.reward(latent, inputs[2]), objective.continues(latent)
        end_inputs = [x.detach()[..., -1, :].requires_grad_() for x in states]
        end = objective.terminal(State(*end_inputs))
        weights = torch.cumprod(alive.detach() * discount, dim=-1)
        gain = rewards
        if alive.requires_grad:
            gain = rewards + discount * alive * _to_go(rewards.detach(), alive.detach(), end.detach(), discount)
        gain = torch.cat([gain[..., :1], gain[..., 1:] * weights[..., :-1]], dim=-1)
        step_parts = _second_order(gain, inputs)
        end_parts = _second_order(end * weights[..., -1], end_inputs)
    size = inputs[0].shape[-1] + inputs[1].shape[-1]
    return _convex_cost(*step_parts, size), _convex_cost(*end_parts, size)


def project_psd(hessian: Tensor) -> Tensor:
    """The nearest positive semi-definite matrices to symmetric ``[..., n, n]``, in Frobenius norm (Higham 1988).

    Unchanged where the Cholesky factorisation finds all of them positive definite, which is far cheaper. Eigenvalues
    are raised to rounding errors of the largest one rather than to zero, so that the factorisation exists.
    """
    if not torch.linalg.cholesky_ex(hessian).info.any():
        return hessian
    values, vectors = torch.linalg.eigh(hessian)
    floor = torch.finfo(hessian.dtype).eps * values.abs().amax(-1, keepdim=True)
    return (vectors * values.maximum(floor)[..., None, :]) @ vectors.mT


def _second_order(value: Tensor, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Gradient ``[..., n]`` and Hessian ``[..., n, n]`` of each row of ``value [...]`` over its row of inputs."""
    if not value.requires_grad:
        gradient = torch.cat([torch.zeros_like(x) for x in inputs], dim=-1)
    else:
        found = torch.autograd.grad(value.sum(), inputs, create_graph=True, allow_unused=True)
        pairs = zip(found, inputs, strict=True)
        gradient = torch.cat([torch.zeros_like(x) if g is None else g for g, x in pairs], dim=-1)
    return gradient.detach(), torch.cat(rows_of_jacobian(gradient, inputs), dim=-1)


def _convex_cost(gradient: Tensor, hessian: Tensor, latent: int) -> Tensor:
    cost = -(hessian + hessian.mT) / 2
    finite = torch.isfinite(cost).all(-1).all(-1)[..., None, None]
    return stack_quadratic(project_psd(torch.where(finite, cost, 0.0)), -gradient, latent)


def _to_go(rewards: Tensor, alive: Tensor, end: Tensor, discount: float) -> Tensor:
    """Return after each step, given that it was survived: ``[..., horizon]``."""
    later, values = end, [end]
    for t in range(rewards.shape[-1] - 1, 0, -1):
        later = rewards[..., t] + discount * alive[..., t] * later
        values.append(later)
    return torch.stack(values[::-1], dim=-1)
