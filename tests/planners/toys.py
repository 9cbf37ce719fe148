"""Small world models with known answers, for every planner.

A toy is four pure functions of the latent ``[..., latent]``; position is the part without noise (``deter``), the rest
is ``stoch``, so that code which forgets either part fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from worldmodel.interface import Belief, Linearization, Sizes, State

PIXEL_RANGE = 2.0  # images show each latent as one pixel, from -2 to 2


@dataclass(frozen=True)
class Toy:
    """A `WorldModel` from plain functions. ``transition(latent, action)``, ``reward_of(latent)``, ``continues_of``.

    Its image is one grey pixel per latent dimension, ``[1, latent, 1]``, and its filter reads the image and nothing
    else.
    """

    transition: Callable[[Tensor, Tensor], Tensor]
    reward_of: Callable[[Tensor], Tensor]
    continues_of: Callable[[Tensor], Tensor] = lambda latent: torch.ones_like(latent[..., 0])
    latent: int = 2
    action: int = 1
    noise_std: float = 0.1
    discrete: bool = False

    @property
    def sizes(self) -> Sizes:
        return Sizes(1, self.latent - 1, self.action, 0, (1, self.latent, 1), self.discrete)

    def state(self, latent: Tensor) -> State:
        return State(latent[..., :1], latent[..., 1:])

    def initial(self, batch: int) -> Belief:
        return Belief(self.state(torch.zeros(batch, self.latent)), torch.zeros(batch, 0))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        latent = observation[:, 0, :, 0].to(belief.memory.dtype) / 255 * 2 * PIXEL_RANGE - PIXEL_RANGE
        return Belief(self._perturbed(self.state(latent), noise), belief.memory)

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        return self._perturbed(self.state(self.transition(state.vector, action)), noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        steps = []
        for t in range(actions.shape[-2]):
            state = self.step(state, actions[..., t, :], None if noise is None else noise[..., t, :])
            steps.append(state)
        return State(torch.stack([s.deter for s in steps], dim=-2), torch.stack([s.stoch for s in steps], dim=-2))

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        latents = states.vector
        jacobian = torch.func.vmap(torch.func.jacrev(self.transition, argnums=(0, 1)))
        a, b = jacobian(latents.reshape(-1, self.latent), actions.reshape(-1, self.action))
        leading = latents.shape[:-1]
        return Linearization(a.reshape(*leading, *a.shape[1:]), b.reshape(*leading, *b.shape[1:]))

    def decode(self, state: State) -> Tensor:
        return ((state.vector + PIXEL_RANGE) / (2 * PIXEL_RANGE)).clamp(0, 1)[..., None, None, :]

    def reward(self, state: State) -> Tensor:
        return self.reward_of(state.vector)

    def continues(self, state: State) -> Tensor:
        return self.continues_of(state.vector)

    def _perturbed(self, state: State, noise: Tensor | None) -> State:
        return state if noise is None else State(state.deter, state.stoch + self.noise_std * noise)


def latents(*rows: tuple[float, ...], dtype: torch.dtype = torch.float64) -> State:
    """A batch of start states, one row each: ``latents((1.0, 0.0), (0.5, 0.0))``."""
    latent = torch.tensor(rows, dtype=dtype)
    return State(latent[:, :1], latent[:, 1:])


# --- a point mass with a quadratic reward: the optimum is a linear system of equations -------------------------------

POINT_A = torch.tensor([[1.0, 0.2], [0.0, 1.0]], dtype=torch.float64)
POINT_B = torch.tensor([[0.02], [0.2]], dtype=torch.float64)
POINT_Q = torch.tensor([[1.0, 0.0], [0.0, 0.1]], dtype=torch.float64)
POINT_PENALTY = 0.3  # weight of the squared action, to be added by the objective (`ControlPenalty`)


def point_mass() -> Toy:
    """Position and velocity, pushed by the action: ``z' = A z + B a``, ``reward = -z' Q z``. Starts within 0.5 of the
    origin keep the optimum inside the action limits.
    """

    def transition(latent: Tensor, action: Tensor) -> Tensor:
        return latent @ POINT_A.T.to(latent.dtype) + action @ POINT_B.T.to(latent.dtype)

    def reward(latent: Tensor) -> Tensor:
        return -((latent @ POINT_Q.to(latent.dtype)) * latent).sum(-1)

    return Toy(transition, reward)


def point_mass_optimum(state: State, horizon: int, penalty: float = POINT_PENALTY) -> tuple[Tensor, Tensor]:
    """Best actions ``[batch, horizon, 1]`` and their return ``[batch]`` of the point mass, without limits.

    The return is a quadratic in the stacked actions: with ``z_t = F_t z_0 + G_t u``, solve ``dReturn/du = 0``. Written
    out densely and on purpose without a Riccati recursion, so that it can judge one.
    """
    start = state.vector.double()
    size = POINT_A.shape[0]
    free, forced = torch.eye(size, dtype=torch.float64), torch.zeros(size, horizon, dtype=torch.float64)
    curvature = penalty * torch.eye(horizon, dtype=torch.float64)
    slope = torch.zeros(horizon, size, dtype=torch.float64)
    constant = torch.zeros(size, size, dtype=torch.float64)
    for t in range(horizon):
        free, forced = POINT_A @ free, POINT_A @ forced
        forced[:, t] += POINT_B[:, 0]
        curvature += forced.T @ POINT_Q @ forced
        slope += forced.T @ POINT_Q @ free
        constant += free.T @ POINT_Q @ free
    actions = -torch.linalg.solve(curvature, slope @ start.T).T
    value = -((start @ constant) * start).sum(-1) - (actions * (start @ slope.T)).sum(-1)
    return actions[..., None], value


# --- two basins: from zero actions, the slope leads to the worse one --------------------------------------------------

NEAR, FAR = 0.5, -1.0


def two_basins() -> Toy:
    """A position moved by the action, ``x' = x + a / 4`` (the second latent is the last action). Reward is a hill of
    height 1 at `NEAR` and one of height 5 at `FAR`; from 0 the slope leads to the near, worse one.
    """

    def reward(latent: Tensor) -> Tensor:
        x = latent[..., 0]
        return torch.exp(-(((x - NEAR) / 0.3) ** 2)) + 5 * torch.exp(-(((x - FAR) / 0.3) ** 2))

    return Toy(_walk, reward)


# --- poisoned: part of the world has no finite reward -----------------------------------------------------------------


def poisoned() -> Toy:
    """The walker of `two_basins` with reward ``-(x - 0.5)^2``, which is NaN left of -0.2 and +inf right of 0.9."""

    def reward(latent: Tensor) -> Tensor:
        x = latent[..., 0]
        value = -((x - 0.5) ** 2)
        value = torch.where(x < -0.2, torch.nan, value)
        return torch.where(x > 0.9, torch.inf, value)

    return Toy(_walk, reward)


def all_poisoned() -> Toy:
    """Nothing has a finite reward."""
    return Toy(_walk, lambda latent: latent[..., 0] * torch.nan)


# --- a cliff: the episode ends beyond the edge ------------------------------------------------------------------------

EDGE = 0.6


def cliff() -> Toy:
    """Reward ``x`` (the further right the better), but the episode ends beyond `EDGE`: the best plan stops before it,
    one that is blind to termination walks on.
    """
    return Toy(_walk, lambda latent: latent[..., 0], lambda latent: torch.sigmoid((EDGE - latent[..., 0]) * 100))


def _walk(latent: Tensor, action: Tensor) -> Tensor:
    return torch.cat([latent[..., :1] + action / 4, action.expand(*latent.shape[:-1], 1)], dim=-1)


def pendulum() -> Toy:
    """Angle from upright and its speed. Torque 2 against gravity 1 · 9.8 / 10: a swing-up is not needed, a push is."""

    def transition(latent: Tensor, action: Tensor) -> Tensor:
        angle, speed = latent[..., 0], latent[..., 1]
        speed = speed + 0.1 * (torch.sin(angle) + 2 * action[..., 0])
        return torch.stack([angle + 0.1 * speed, speed], dim=-1)

    return Toy(transition, lambda z: torch.cos(z[..., 0]) - 0.1 * z[..., 1] ** 2)
