"""Iterative LQR: linearize the model and quadratize the return along a trajectory, solve that problem, repeat.

    backward   G_t = [K_t k_t] of the local linear-quadratic problem, k_t within the action limits (`control_limits`)
    forward    a_t = clamp(ā_t + α k_t + K_t (z_t - z̄_t)) for all step lengths α at once, on an axis of candidates
    accept     the best of them if it is better than the trajectory; if none is, damp the next backward pass more

Li and Todorov 2004; Tassa, Erez and Todorov 2012; limits: Tassa, Mansard and Todorov 2014. Damping is Levenberg and
Marquardt's, per environment and start. It is a local search: several starts look into several basins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from planners.budget import largest_within
from planners.checks import NO_SLOPE, require
from planners.closed_loop import closed_loop, path_value
from planners.control_limits import limited_policy, limits_of_policy
from planners.interface import Objective, Plan
from planners.predict import predict, with_candidates
from planners.quadratize import quadratize
from planners.riccati import gains_of, riccati, stack_dynamics
from planners.search_trace import Scored, search_trace
from planners.starts import starting_actions
from planners.tracking import follow
from worldmodel.interface import State, WorldModel


class LocalProblem(NamedTuple):
    """The linear-quadratic problem in deviations from a trajectory as `riccati` wants it; rows are all starts of all
    environments.

    dynamics and cost ``[rows, horizon, n, n]``, final ``[rows, n, n]`` with ``n = latent + action + 1``. scale
    ``[rows]`` is what a damping of one adds to the curvature of every action: the largest slope or curvature in any
    step.
    """

    dynamics: Tensor
    cost: Tensor
    final: Tensor
    scale: Tensor


class Search(NamedTuple):
    """Where all searches stand, ``[batch, starts, ...]``: the best trajectory so far, its value (-inf where it is not
    finite), the gains of the last backward pass, the damping of the next, and which have converged.
    """

    actions: Tensor
    states: State
    value: Tensor
    gains: Tensor
    damping: Tensor
    converged: Tensor


@dataclass(frozen=True)
class ILQR:
    """Plans by iLQR; implements `planners.interface.Planner`. Plans carry feedback gains.

    generator: for random starts only (see `starts`). horizon: steps looked ahead.
    iterations: at most so many backward and forward passes; fewer when all have converged.
    starts: trajectories optimised side by side, the best is returned: the previous plan, zeros, then random ones.
    step_lengths: how many of ``1, 1/2, 1/4, ...`` each forward pass tries.
    tolerance: converged when no feed-forward correction is larger, in units of the action. Zero never stops early.
    replan_every: plan anew every so many decisions; in between, follow the last plan with its gains.
    """

    model: WorldModel
    objective: Objective
    generator: torch.Generator
    horizon: int = 12
    iterations: int = 10
    starts: int = 1
    step_lengths: int = 8
    tolerance: float = 1e-4
    discount: float = 1.0
    replan_every: int = 1

    def __post_init__(self) -> None:
        _check_numbers(self)

    @property
    def model_steps(self) -> int:
        """Prior steps per decision that plans anew, and environment, at most (a search that converges takes fewer).

        A linearized step counts as ``latent + action`` steps, as many as finite differences would take.
        """
        of_iteration = self.step_lengths + self.model.sizes.latent + self.model.sizes.action
        return self.horizon * (self.starts * (1 + self.iterations * of_iteration) + 1)

    def with_budget(self, model_steps: int) -> ILQR:
        """The same planner with as many iterations as fit into ``model_steps``."""
        return largest_within(model_steps, lambda iterations: replace(self, iterations=iterations))

    @torch.no_grad()
    def plan(self, state: State, previous: Plan | None = None) -> tuple[Tensor, Plan]:
        """See `planners.interface.Planner`.

        With ``replan_every > 1`` a plan that is being followed is shorter than the horizon. If no trajectory has a
        finite value, the first start is executed, and its value says so.
        """
        if previous is not None and self._followed(previous):
            return follow(self.model, self.objective, state, previous, self.discount)
        search = self._start(state, previous)
        history, problem = [], None
        for _ in range(self.iterations):
            problem = self._linear_quadratic(state, search) if problem is None else problem
            search, feed_forward = self._backward(search, problem)
            if search.converged.all():
                break
            search, accepted, scores = self._forward(state, search, feed_forward)
            problem = None if accepted.any() else problem
            history.append(scores)
        return self._finish(state, search, history or [search.value[..., None]])

    def _followed(self, previous: Plan) -> bool:
        return previous.gains is not None and previous.actions.shape[1] > self.horizon - self.replan_every + 1

    def _start(self, state: State, previous: Plan | None) -> Search:
        shape = (state.stoch.shape[0], self.starts, self.horizon, self.model.sizes.action)
        actions = starting_actions(state.stoch, shape, self.generator, previous)
        begin = with_candidates(state, self.starts)
        states, value = predict(self.model, self.objective, begin, actions, self.discount)
        gains = actions.new_zeros(*shape, self.model.sizes.latent)
        damping = torch.zeros_like(value)
        return Search(actions, states, _finite(value), gains, damping, torch.zeros_like(value, dtype=torch.bool))

    def _linear_quadratic(self, state: State, search: Search) -> LocalProblem:
        """Costs are paid in ``(z', a)``; the dynamics carry them back to ``(z, a)``, which keeps them convex."""
        local = self.model.linearize(_departed(state, search.states), search.actions)
        on_arrival, final = quadratize(self.objective, search.states, search.actions, self.discount)
        dynamics = stack_dynamics(local.A, local.B).flatten(0, 1)
        back = dynamics + self._on_action(dynamics)
        cost = back.mT @ on_arrival.flatten(0, 1) @ back
        rows = cost[..., self.model.sizes.latent :, :]
        return LocalProblem(dynamics, cost, final.flatten(0, 1), rows.abs().amax((1, 2, 3)))

    def _backward(self, search: Search, problem: LocalProblem) -> tuple[Search, Tensor]:
        """Gains and the feed-forward corrections ``[batch, starts, horizon, action]`` of the damped local problem.

        Damping is a cost on corrections, so that the recursion weighs later steps knowing that they are damped too.
        """
        sizes, actions = self.model.sizes, search.actions.flatten(0, 1)
        lower, upper = (x.unbind(1) for x in limits_of_policy(-1 - actions, 1 - actions, sizes.latent))

        def policy(t: int, m_u: Tensor, m_uu: Tensor) -> Tensor:
            return limited_policy(m_u, m_uu, lower[t], upper[t])

        limits = torch.finfo(actions.dtype)
        weight = (search.damping.flatten() + limits.eps) * problem.scale + limits.tiny
        cost = torch.addcmul(problem.cost, weight[:, None, None, None], self._on_action(actions))
        with torch.inference_mode():  # nothing of the model runs in here, and every call costs a fifth less
            policies, _ = riccati(problem.dynamics, cost, problem.final, sizes.action, policy)
        gains, feed_forward = gains_of(torch.stack(policies, dim=1).unflatten(0, search.actions.shape[:2]))
        converged = search.converged | (feed_forward.abs().amax((-1, -2)) < self.tolerance)
        return search._replace(gains=gains, converged=converged), feed_forward

    def _on_action(self, like: Tensor) -> Tensor:
        """The identity on the action and zero elsewhere, ``[n, n]``."""
        sizes = self.model.sizes
        ones = like.new_zeros(sizes.latent + sizes.action + 1)
        ones[sizes.latent : -1] = 1
        return ones.diag()

    def _forward(self, state: State, search: Search, feed_forward: Tensor) -> tuple[Search, Tensor, Tensor]:
        """The best of all step lengths where it is an improvement; which were, ``[batch, starts]``; and all scores."""
        lengths = 0.5 ** torch.arange(self.step_lengths, dtype=feed_forward.dtype, device=feed_forward.device)
        planned = search.actions[:, :, None] + lengths[:, None, None] * feed_forward[:, :, None]
        begin = state.map(lambda x: x[:, None, None].expand(*planned.shape[:3], -1))
        reference = _departed(state, search.states).vector
        states, actions = closed_loop(self.model, begin, reference, planned, search.gains)
        scores = _finite(path_value(self.objective, states, actions, self.discount))
        value, index = scores.max(-1)
        accepted = (value > search.value) & ~search.converged
        found = search._replace(
            actions=_update(accepted, _pick(actions, index), search.actions),
            states=State(*(_update(accepted, _pick(x, index), y) for x, y in zip(states, search.states, strict=True))),
            value=torch.where(accepted, value, search.value),
            damping=_adapted(search.damping, accepted),
        )
        return found, accepted, torch.cat([search.value[..., None], scores], dim=-1)

    def _finish(self, state: State, search: Search, history: list[Tensor]) -> tuple[Tensor, Plan]:
        best = search.value.argmax(-1)
        actions, gains = _pick(search.actions, best), _pick(search.gains, best)
        states, value = predict(self.model, self.objective, state, actions, self.discount)
        trace = search_trace([Scored(scores.flatten(1), None, None) for scores in history])
        return actions[:, 0], Plan(actions, states, value, trace, gains=gains)


def _departed(state: State, arrived: State) -> State:
    """States that each step departs from, ``[batch, starts, horizon, latent]``: the first, then those arrived at."""
    begin = state.map(lambda x: x[:, None, None])
    pairs = zip(begin, arrived, strict=True)
    return State(*(torch.cat([b.expand(-1, a.shape[1], -1, -1), a[..., :-1, :]], dim=-2) for b, a in pairs))


def _adapted(damping: Tensor, accepted: Tensor) -> Tensor:
    """Ten times less after a success, none below 1e-3; ten times more after a failure, 1e-2 at least."""
    less = torch.where(damping < 1e-2, 0.0, damping / 10)
    return torch.where(accepted, less, (10 * damping).clamp(min=1e-2))


def _finite(value: Tensor) -> Tensor:
    return torch.where(torch.isfinite(value), value, -math.inf)


def _pick(x: Tensor, index: Tensor) -> Tensor:
    """``[*leading, candidates, ...]`` at ``index [*leading]``: ``[*leading, ...]``."""
    axis = index.dim()
    index = index.view(*index.shape, *[1] * (x.dim() - axis)).expand(*index.shape, 1, *x.shape[axis + 1 :])
    return x.gather(axis, index).squeeze(axis)


def _update(where: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(where.view(*where.shape, *[1] * (old.dim() - where.dim())), new, old)


def _check_numbers(p: ILQR) -> None:
    rules = [
        *((getattr(p, name) >= 1, f"{name} must be at least 1; got {getattr(p, name)}") for name in _COUNTS),
        (p.replan_every <= p.horizon, f"replan_every must be at most the horizon {p.horizon}; got {p.replan_every}"),
        (p.tolerance >= 0, f"tolerance must not be negative; got {p.tolerance}"),
        (not p.model.sizes.discrete, NO_SLOPE),
        (0 < p.discount <= 1, f"discount must be in (0, 1]; got {p.discount}"),
    ]
    require("ILQR", rules)


_COUNTS = ("horizon", "iterations", "starts", "step_lengths", "replan_every")
