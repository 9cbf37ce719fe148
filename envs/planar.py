"""A dot to be moved around six round obstacles: the planar system of Embed to Control (Watter et al. 2015)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from envs import palette
from envs.draw import Canvas, ground
from envs.reward import tolerance

OBSTACLES = ((0.22, 0.72), (0.50, 0.79), (0.36, 0.46), (0.64, 0.54), (0.50, 0.21), (0.78, 0.28))
"""Centres, in sides of the square. No two are nearer than two blocked radii, so the dot touches one at a time."""


@dataclass(frozen=True)
class Planar:
    """A dot without inertia in the unit square; an action moves it by up to ``stride`` in each direction.

    State: x and y of the dot's centre, in sides of the square. A move into an obstacle or a wall is cut off at the
    surface, and what of it runs along the surface remains, so that the dot slides. The reward is 1 within a dot's
    radius of the goal.
    """

    name: str = "planar"
    goal: tuple[float, float] = (0.86, 0.86)
    obstacle: float = 0.06
    dot: float = 0.065
    stride: float = 0.07
    episode_steps: int = 40
    state_names: tuple[str, ...] = ("x", "y")
    action_size: int = 2
    seconds_per_step: float = 1.0
    channels: ClassVar[int] = 3

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Uniform over the free part of the square that is more than a third of it away from the goal."""
        while True:
            point = rng.uniform(self.dot, 1 - self.dot, 2)
            free = all(np.hypot(*(point - centre)) > self.obstacle + self.dot for centre in OBSTACLES)
            if free and np.hypot(*(point - self.goal)) > 1 / 3:
                return point

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        moved = (state + self.stride * action.clamp(-1, 1)).clamp(self.dot, 1 - self.dot)
        offset = moved[..., None, :] - moved.new_tensor(OBSTACLES)
        distance = offset.square().sum(-1, keepdim=True).clamp_min(1e-12).sqrt()
        push = torch.relu(self.obstacle + self.dot - distance) * offset / distance
        return moved + push.sum(-2)

    def reward(self, state: Tensor) -> Tensor:
        distance = (state - state.new_tensor(self.goal)).square().sum(-1).clamp_min(1e-12).sqrt()
        return tolerance(distance, lower=0.0, upper=self.dot, margin=0.5)

    def terminated(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        canvas = Canvas(_background(size, self.goal, self.obstacle, self.dot), len(state))
        canvas.disc(2 * state - 1, 2 * self.dot, palette.ORANGE)
        return canvas.pixels


@functools.lru_cache(maxsize=8)
def _background(size: int, goal: tuple[float, float], obstacle: float, dot: float) -> np.ndarray:
    """The goal in green and the obstacles."""
    canvas = Canvas(ground(size, palette.PAPER), 1)
    canvas.disc(2 * np.array(goal) - 1, 3 * dot, palette.GREEN)
    for centre in OBSTACLES:
        canvas.disc(2 * np.array(centre) - 1, 2 * obstacle, palette.STONE)
    canvas.pixels.setflags(write=False)
    return canvas.pixels[0]
