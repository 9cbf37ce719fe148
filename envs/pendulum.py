"""A pendulum to be swung up by a motor that is too weak to lift it."""

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

LENGTH = 0.66  # of the pole, in picture coordinates
BOB = 0.22
POLE = 0.075


@dataclass(frozen=True)
class Pendulum:
    """A rod on a hinge, ``angle'' = 3 g / (2 l) sin(angle) + 3 torque / (m l²)``, as Gymnasium's ``Pendulum-v1``.

    State: angle in rad (0 upright, clockwise, never wrapped), velocity in rad/s. Action: torque over ``max_torque``.
    At full torque the rod rests 24° from hanging, so that it has to be swung. The reward is 1 within 14° of upright.
    Integrated by semi-implicit Euler, ``repeat`` times ``dt`` per decision; the speed is held within ``max_speed``.
    """

    name: str = "pendulum"
    start_angle: float = math.pi
    start_spread: float = 0.3
    gravity: float = 10.0
    mass: float = 1.0
    length: float = 1.0
    max_torque: float = 2.0
    max_speed: float = 8.0
    dt: float = 0.05
    repeat: int = 2
    episode_steps: int = 100
    state_names: tuple[str, ...] = ("angle", "velocity")
    action_size: int = 1
    channels: ClassVar[int] = 3

    @property
    def seconds_per_step(self) -> float:
        return self.dt * self.repeat

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        return np.array([self.start_angle, 0.0]) + rng.uniform(-self.start_spread, self.start_spread, 2)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        angle, velocity = state.unbind(-1)
        torque = action[..., 0].clamp(-1, 1) * self.max_torque
        push = 3 / (self.mass * self.length**2) * torque
        for _ in range(self.repeat):
            pull = 1.5 * self.gravity / self.length * torch.sin(angle)
            velocity = (velocity + (pull + push) * self.dt).clamp(-self.max_speed, self.max_speed)
            angle = angle + velocity * self.dt
        return torch.stack([angle, velocity], dim=-1)

    def reward(self, state: Tensor) -> Tensor:
        return tolerance(torch.cos(state[..., 0]), lower=math.cos(math.radians(14)), upper=1.0, margin=1.5)

    def terminated(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        canvas, tip = Canvas(_background(size), len(state)), heading(state[:, 0]) * LENGTH
        canvas.capsule(np.zeros(2), tip, POLE, palette.INK)
        canvas.disc(tip, BOB, palette.ORANGE)
        return canvas.pixels


@functools.lru_cache(maxsize=8)
def _background(size: int) -> np.ndarray:
    """The bob's circle, a green spot where the bob should be, and the base of the hinge."""
    canvas = Canvas(ground(size, palette.PAPER), 1)
    canvas.disc(np.zeros(2), LENGTH + 0.03, palette.MIST)
    canvas.disc(np.zeros(2), LENGTH - 0.03, palette.PAPER)
    canvas.disc(np.array([0.0, LENGTH]), 0.1, palette.GREEN)
    canvas.disc(np.zeros(2), 0.16, palette.STONE)
    canvas.pixels.setflags(write=False)
    return canvas.pixels[0]
