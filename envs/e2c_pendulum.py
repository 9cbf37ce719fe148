"""The pendulum of Embed to Control as it was published with its successors: to be kept up, or swung up."""

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

SIZE = 48  # pixels of the published picture, in which the drawing's numbers are given
LENGTH, WIDTH = 22, 4
SUBSTEPS = 2


@dataclass(frozen=True)
class E2CPendulum:
    """``inertia · angle'' = mass · gravity · length · sin(angle) + torque`` with ``inertia = mass · length² / 3``.

    State: angle in rad (0 upright, clockwise, never wrapped), velocity in rad/s, and the angle one decision ago.
    Action: torque over ``max_torque``, which is more than the weight at any angle. The speed is held within
    ``max_speed``. Drawn as two grey frames, the previous one first. The goal region is within 30° of the goal's angle.
    Numbers: Watter et al. 2015; Levine et al. 2020; Shu et al. 2020, and their code.
    """

    name: str = "e2c-balance"
    start_low: float = 0.0
    start_high: float = 0.0
    max_torque: float = 0.65
    gravity: float = 9.81
    mass: float = 0.1
    length: float = 0.5
    max_speed: float = 3 * math.pi
    goal_angle: float = math.pi / 6
    goals: tuple[tuple[float, ...], ...] = ((0.0, 0.0, 0.0),)
    seconds_per_step: float = 0.02
    episode_steps: int = 100
    state_names: tuple[str, ...] = ("angle", "velocity", "previous angle")
    action_size: int = 1
    size: ClassVar[int] = SIZE
    channels: ClassVar[int] = 2

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """At rest, so that the two frames are the same."""
        angle = rng.uniform(self.start_low, self.start_high)
        return np.array([angle, 0.0, angle])

    def scatter(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Any angle and velocity, one uniform torque earlier; and uniform torques."""
        angle = rng.uniform(-math.pi, math.pi, count)
        before = np.stack([angle, rng.uniform(-self.max_speed, self.max_speed, count), angle], axis=-1)
        first, second = rng.uniform(-1, 1, (2, count, 1))
        return self.step(torch.from_numpy(before), torch.from_numpy(first)).numpy(), second

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        torque = action[..., 0].clamp(-1, 1) * self.max_torque
        weight, inertia = self.mass * self.gravity * self.length, self.mass * self.length**2 / 3

        def slope(x: Tensor) -> Tensor:
            return torch.stack([x[..., 1], (weight * torch.sin(x[..., 0]) + torque) / inertia], dim=-1)

        angle, velocity = integrate(slope, state[..., :2], self.seconds_per_step, SUBSTEPS).unbind(-1)
        return torch.stack([angle, velocity.clamp(-self.max_speed, self.max_speed), state[..., 0]], dim=-1)

    def reward(self, state: Tensor) -> Tensor:
        return tolerance(torch.cos(state[..., 0]), lower=math.cos(self.goal_angle), upper=1.0, margin=1.5)

    def terminated(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def in_goal(self, state: Tensor, goal: Tensor) -> Tensor:
        return torch.cos(state[..., 0] - goal[..., 0]) >= math.cos(self.goal_angle)

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        return stacked(lambda angle: _frame(angle, size), state[:, 2], state[:, 0])


def _frame(angle: np.ndarray, size: int) -> np.ndarray:
    """One frame ``[batch, size, size, 1]`` of angles ``[batch]``: a thick line, white on black."""
    canvas, hinge = Canvas(ground(size, palette.BLACK), len(angle), sharp=True), np.full(2, SIZE / 2)
    tip = hinge + heading(angle) * (LENGTH, -LENGTH)
    canvas.capsule(whole_pixels(hinge, SIZE), whole_pixels(tip, SIZE), WIDTH / SIZE, palette.WHITE)
    return canvas.pixels
