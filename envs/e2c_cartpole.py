"""The cart-pole that the published successors of Embed to Control balance: from a lean, for one second."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from envs import palette
from envs.draw import Canvas, ground, heading
from envs.frames import stacked, whole_pixels
from envs.reward import tolerance
from envs.runge_kutta import integrate

SIZE = 80  # pixels of the published picture, in which the drawing's numbers are given
CART = (8.0, 4.0)  # half width, half height
LENGTH, WIDTH, FLOOR = 52, 6, 70
RANGE = 2.4  # m from the middle to where the cart leaves the picture
SUBSTEPS = 2


@dataclass(frozen=True)
class E2CCartPole:
    """The cart-pole of Barto, Sutton and Anderson (1983), without friction and without stops.

    State: position in m, angle in rad (0 upright, clockwise, never wrapped), velocity in m/s, angular velocity in
    rad/s, and position and angle one decision ago. Action: force on the cart over ``max_force``. Speeds are held within
    their maxima. Drawn as two grey frames, the previous one first. The goal region is within 18° of upright, wherever
    the cart is. Numbers: Levine et al. 2020; Shu et al. 2020, and their code.
    """

    name: str = "e2c-cartpole"
    start_angle: float = math.pi / 8
    scatter_angle: float = math.pi / 10
    max_force: float = 10.0
    gravity: float = 9.81
    pole_mass: float = 0.1
    cart_mass: float = 1.0
    half_length: float = 0.5
    max_speed: float = 6.0
    max_spin: float = 2 * math.pi
    goal_angle: float = math.pi / 10
    goals: tuple[tuple[float, ...], ...] = ((0.0, 0.0, 0.0, 0.0, 0.0, 0.0),)
    seconds_per_step: float = 0.02
    episode_steps: int = 50
    state_names: tuple[str, ...] = (
        "position",
        "angle",
        "velocity",
        "angular velocity",
        "previous position",
        "previous angle",
    )
    action_size: int = 1
    size: ClassVar[int] = SIZE
    channels: ClassVar[int] = 2

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """At rest in the middle, leaning, so that the two frames are the same."""
        angle = rng.uniform(-self.start_angle, self.start_angle)
        return np.array([0.0, angle, 0.0, 0.0, 0.0, angle])

    def scatter(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Any position and speeds at angles within ``scatter_angle``, one uniform force earlier; and uniform forces."""
        limits = np.array([RANGE, self.scatter_angle, self.max_speed, self.max_spin])
        before = rng.uniform(-limits, limits, (count, 4))
        first, second = rng.uniform(-1, 1, (2, count, 1))
        before = np.concatenate([before, before[:, :2]], axis=-1)
        return self.step(torch.from_numpy(before), torch.from_numpy(first)).numpy(), second

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        force = action[..., 0].clamp(-1, 1) * self.max_force

        def slope(x: Tensor) -> Tensor:
            _, angle, velocity, spin = x.unbind(-1)
            return torch.stack([velocity, spin, *self._accelerations(angle, spin, force)], dim=-1)

        position, angle, velocity, spin = integrate(slope, state[..., :4], self.seconds_per_step, SUBSTEPS).unbind(-1)
        velocity, spin = velocity.clamp(-self.max_speed, self.max_speed), spin.clamp(-self.max_spin, self.max_spin)
        return torch.cat([torch.stack([position, angle, velocity, spin], dim=-1), state[..., :2]], dim=-1)

    def _accelerations(self, angle: Tensor, spin: Tensor, force: Tensor) -> tuple[Tensor, Tensor]:
        """Of the cart in m/s² and of the pole in rad/s²."""
        mass, moment = self.cart_mass + self.pole_mass, self.pole_mass * self.half_length
        sine, cosine = torch.sin(angle), torch.cos(angle)
        drive = force + moment * spin**2 * sine
        inertia = 4 / 3 * mass * self.half_length - moment * cosine**2
        spin_up = (mass * self.gravity * sine - cosine * drive) / inertia
        return (drive - moment * spin_up * cosine) / mass, spin_up

    def reward(self, state: Tensor) -> Tensor:
        return tolerance(torch.cos(state[..., 1]), lower=math.cos(self.goal_angle), upper=1.0, margin=1.5)

    def terminated(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def in_goal(self, state: Tensor, goal: Tensor) -> Tensor:
        return torch.cos(state[..., 1] - goal[..., 1]) >= math.cos(self.goal_angle)

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        return stacked(lambda place: _frame(place, size), state[:, 4:6], state[:, 0:2])


def _frame(place: np.ndarray, size: int) -> np.ndarray:
    """One frame ``[batch, size, size, 1]`` of position and angle ``[batch, 2]``: cart and pole, white on black."""
    canvas = Canvas(ground(size, palette.BLACK), len(place), sharp=True)
    column = SIZE / 2 + place[:, 0] / RANGE * (SIZE / 2 - CART[0])
    hinge = np.stack([column, np.full(len(place), FLOOR)], axis=-1)
    tip = hinge + heading(place[:, 1]) * (LENGTH, -LENGTH)
    canvas.rectangle(whole_pixels(hinge, SIZE), 2 * CART[0] / SIZE, 2 * CART[1] / SIZE, palette.WHITE)
    canvas.capsule(whole_pixels(hinge, SIZE), whole_pixels(tip, SIZE), WIDTH / SIZE, palette.WHITE)
    return canvas.pixels
