"""A pole hinged on a cart that runs on a short rail: to be swung up, or only to be kept up."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from envs import palette
from envs.draw import Canvas, ground, heading
from envs.reward import tolerance

CART = (0.30, 0.20)  # half width and half height, m
POLE = 0.1  # half width, m
BOB = 0.26  # radius, m


@dataclass(frozen=True)
class CartPole:
    """The cart-pole of Barto, Sutton and Anderson (1983), without friction, on a rail with inelastic end stops.

    State: position in m, angle in rad (0 upright, clockwise, never wrapped), velocity in m/s, angular velocity rad/s.
    Action: force on the cart over ``max_force``. The reward is the product of being upright (1 within 14°), near the
    middle and slow, each in [0, 1]. Integrated by semi-implicit Euler, ``repeat`` times ``dt`` per decision.

    fall_angle: if given, the episode ends when the pole leans further or the cart is at an end of the rail.
    """

    name: str = "cartpole"
    start_angle: float = math.pi
    start_spread: float = 0.1
    fall_angle: float | None = None
    gravity: float = 9.8
    cart_mass: float = 1.0
    pole_mass: float = 0.1
    half_length: float = 0.5
    max_force: float = 5.0
    rail: float = 1.1  # m from the middle to either stop
    dt: float = 0.02
    repeat: int = 5
    episode_steps: int = 100
    state_names: tuple[str, ...] = ("position", "angle", "velocity", "angular velocity")
    action_size: int = 1
    channels: ClassVar[int] = 3

    @property
    def seconds_per_step(self) -> float:
        return self.dt * self.repeat

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        return np.array([0.0, self.start_angle, 0.0, 0.0]) + rng.uniform(-self.start_spread, self.start_spread, 4)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        position, angle, velocity, spin = state.unbind(-1)
        force = action[..., 0].clamp(-1, 1) * self.max_force
        for _ in range(self.repeat):
            acceleration, spin_up = self._accelerations(angle, spin, force)
            spin, velocity = spin + spin_up * self.dt, velocity + acceleration * self.dt
            moved = position + velocity * self.dt
            hit = moved.abs() > self.rail
            # The stop's blow acts on the cart alone: the pole keeps its angular momentum about the hinge.
            kept = spin + torch.cos(angle) * velocity / (4 / 3 * self.half_length)
            spin, velocity = torch.where(hit, kept, spin), torch.where(hit, torch.zeros_like(velocity), velocity)
            angle, position = angle + spin * self.dt, moved.clamp(-self.rail, self.rail)
        return torch.stack([position, angle, velocity, spin], dim=-1)

    def _accelerations(self, angle: Tensor, spin: Tensor, force: Tensor) -> tuple[Tensor, Tensor]:
        """Of the cart in m/s² and of the pole in rad/s²."""
        mass, moment = self.cart_mass + self.pole_mass, self.pole_mass * self.half_length
        sine, cosine = torch.sin(angle), torch.cos(angle)
        drive = (force + moment * spin**2 * sine) / mass
        inertia = self.half_length * (4 / 3 - self.pole_mass * cosine**2 / mass)
        spin_up = (self.gravity * sine - cosine * drive) / inertia
        return drive - moment * spin_up * cosine / mass, spin_up

    def reward(self, state: Tensor) -> Tensor:
        position, angle, _, spin = state.unbind(-1)
        upright = tolerance(torch.cos(angle), lower=math.cos(math.radians(14)), upper=1.0, margin=1.5)
        central = tolerance(position, lower=-0.25, upper=0.25, margin=2.0)
        slow = tolerance(spin, lower=-1.0, upper=1.0, margin=6.0)
        return upright * central * (1 + slow) / 2

    def terminated(self, state: Tensor) -> Tensor:
        if self.fall_angle is None:
            return torch.zeros_like(state[..., 0], dtype=torch.bool)
        return (state[..., 1].abs() > self.fall_angle) | (state[..., 0].abs() >= self.rail)

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        scale = self._scale()
        canvas = Canvas(_background(size, self.rail * scale, scale), len(state))
        cart = np.stack([state[:, 0] * scale, np.zeros(len(state))], axis=1)
        tip = cart + heading(state[:, 1]) * (2 * self.half_length * scale)
        canvas.rectangle(cart, CART[0] * scale, CART[1] * scale, palette.BLUE)
        canvas.capsule(cart, tip, POLE * scale, palette.INK)
        canvas.disc(tip, BOB * scale, palette.ORANGE)
        return canvas.pixels

    def _scale(self) -> float:
        """Picture units per metre: the pole is in view wherever it points, from either end of the rail too."""
        return 1 / (self.rail + 2 * self.half_length + BOB)


@functools.lru_cache(maxsize=8)
def _background(size: int, half_rail: float, scale: float) -> np.ndarray:
    """The rail with its two stops, and green where the cart should be."""
    canvas, middle = Canvas(ground(size, palette.PAPER), 1), np.zeros(2)
    canvas.rectangle(middle, half_rail + CART[0] * scale, 0.03, palette.MIST)
    canvas.rectangle(middle, 0.25 * scale, 0.03, palette.GREEN)
    for side in (-1, 1):
        end = np.array([side * (half_rail + CART[0] * scale), 0.0])
        canvas.rectangle(end, 0.03, 0.1, palette.STONE)
    canvas.pixels.setflags(write=False)
    return canvas.pixels[0]
