"""The arm of three links that the successor of Embed to Control, PC3, lifts: torques on all three joints."""

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

SIZE = 80  # pixels of the published code's picture, in which the drawing's numbers are given
LENGTH, WIDTH = SIZE / 6 - 2, 5
SUBSTEPS = 4
COUPLING = ((7 / 3, 3 / 2, 1 / 2), (3 / 2, 4 / 3, 1 / 2), (1 / 2, 1 / 2, 1 / 3))  # over mass · length²
WEIGHT = (5 / 2, 3 / 2, 1 / 2)  # over mass · gravity · length


@dataclass(frozen=True)
class E2CThreeLink:
    """Three equal uniform rods, hinged one on the next; the equations of motion are those of Lagrange.

    With φ the rods' angles from upright, ``Σ_j m l² COUPLING_ij (cos(φ_i - φ_j) φ_j'' + sin(φ_i - φ_j) φ_j'²) =
    m g l WEIGHT_i sin φ_i + torque_i - torque_{i+1}``.

    State: the joints' angles in rad (of each rod from the one before; 0 all upright, clockwise), their velocities in
    rad/s, and the angles one decision ago. Action: the joints' torques over ``max_torque``. As published, the speeds
    are held within ``max_speed``, a joint that leaves its range comes in again at the other end, and time runs 2.5
    times as fast outside of the goal region, in which all three rods are within 30° of upright. Drawn as two frames.
    Numbers: Shu et al. 2020, and their code.
    """

    name: str = "e2c-threelink"
    start: tuple[float, float, float] = (0.95 * math.pi, 0.65 * math.pi, 0.33 * math.pi)
    ranges: tuple[float, float, float] = (math.pi, 2 * math.pi / 3, math.pi / 3)
    max_torque: float = 1.0
    gravity: float = 9.81
    mass: float = 0.1
    length: float = 0.5
    max_speed: float = 0.5 * math.pi
    goal_angle: float = math.pi / 6
    goals: tuple[tuple[float, ...], ...] = ((0.0,) * 9,)
    seconds_per_step: float = 0.02
    hurry: float = 2.5
    episode_steps: int = 200
    state_names: tuple[str, ...] = (
        *(f"angle {joint}" for joint in (1, 2, 3)),
        *(f"velocity {joint}" for joint in (1, 2, 3)),
        *(f"previous angle {joint}" for joint in (1, 2, 3)),
    )
    action_size: int = 3
    size: ClassVar[int] = SIZE
    channels: ClassVar[int] = 2

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Folded up at rest, always the same; the generator is not used."""
        return np.array([*self.start, 0.0, 0.0, 0.0, *self.start])

    def scatter(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Any angles in their ranges and any velocities, one uniform decision earlier; and uniform torques."""
        angle = rng.uniform(-1, 1, (count, 3)) * self.ranges
        velocity = rng.uniform(-self.max_speed, self.max_speed, (count, 3))
        before = np.concatenate([angle, velocity, angle], axis=-1)
        first, second = rng.uniform(-1, 1, (2, count, 3))
        return self.step(torch.from_numpy(before), torch.from_numpy(first)).numpy(), second

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        torque = action.clamp(-1, 1) * self.max_torque
        slow = self.in_goal(state, torch.zeros_like(state))[..., None]
        seconds = torch.where(slow, 1.0, self.hurry).to(state.dtype) * self.seconds_per_step

        def slope(x: Tensor) -> Tensor:
            return torch.cat([x[..., 3:], self.accelerations(x[..., :3], x[..., 3:], torque)], dim=-1)

        moved = integrate(slope, state[..., :6], seconds, SUBSTEPS)
        ranges = state.new_tensor(self.ranges)
        angle = torch.remainder(moved[..., :3] + ranges, 2 * ranges) - ranges
        return torch.cat([angle, moved[..., 3:].clamp(-self.max_speed, self.max_speed), state[..., :3]], dim=-1)

    def accelerations(self, angle: Tensor, velocity: Tensor, torque: Tensor) -> Tensor:
        """Of the joints, ``[..., 3]`` each, in rad/s²."""
        rod, spin = angle.cumsum(-1), velocity.cumsum(-1)
        between = rod[..., :, None] - rod[..., None, :]
        coupling = self.mass * self.length**2 * rod.new_tensor(COUPLING)
        weight = self.mass * self.gravity * self.length * rod.new_tensor(WEIGHT)
        onward = torch.cat([torque[..., 1:], torch.zeros_like(torque[..., :1])], dim=-1)
        force = weight * torch.sin(rod) + torque - onward
        force = force - (coupling * torch.sin(between) * spin.square()[..., None, :]).sum(-1)
        up = torch.linalg.solve(coupling * torch.cos(between), force)
        return torch.cat([up[..., :1], up[..., 1:] - up[..., :-1]], dim=-1)

    def energy(self, angle: Tensor, velocity: Tensor) -> Tensor:
        """Kinetic and potential, in J, ``[..., 3]`` each -> ``[...]``: constant in free motion."""
        rod, spin = angle.cumsum(-1), velocity.cumsum(-1)
        mass = self.mass * self.length**2 * rod.new_tensor(COUPLING) * torch.cos(rod[..., :, None] - rod[..., None, :])
        kinetic = (spin[..., :, None] * mass * spin[..., None, :]).sum((-2, -1)) / 2
        return kinetic + self.mass * self.gravity * self.length * (rod.new_tensor(WEIGHT) * torch.cos(rod)).sum(-1)

    def reward(self, state: Tensor) -> Tensor:
        lowest = torch.cos(state[..., :3].cumsum(-1)).amin(-1)
        return tolerance(lowest, lower=math.cos(self.goal_angle), upper=1.0, margin=1.5)

    def terminated(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def in_goal(self, state: Tensor, goal: Tensor) -> Tensor:
        away = (state[..., :3] - goal[..., :3]).cumsum(-1)
        return (away.abs() < self.goal_angle).all(-1)

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        return stacked(lambda angle: _frame(angle, size), state[:, 6:9], state[:, 0:3])


def _frame(angle: np.ndarray, size: int) -> np.ndarray:
    """One frame ``[batch, size, size, 1]`` of joint angles ``[batch, 3]``: three thick lines, white on black."""
    canvas = Canvas(ground(size, palette.BLACK), len(angle), sharp=True)
    joint = np.full((len(angle), 2), SIZE / 2)
    for rod in angle.cumsum(axis=-1).T:
        tip = joint + heading(rod) * (LENGTH, -LENGTH)
        canvas.capsule(whole_pixels(joint, SIZE), whole_pixels(tip, SIZE), WIDTH / SIZE, palette.WHITE)
        joint = tip
    return canvas.pixels
