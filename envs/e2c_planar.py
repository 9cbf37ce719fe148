"""The planar system of Embed to Control as it was published with its successors: a square that jumps over a plane."""

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

SIDE = 40  # of the plane; states are in pixels of the published picture
OBSTACLES = ((20.5, 5.5), (20.5, 13.5), (20.5, 27.5), (20.5, 35.5), (10.5, 20.5), (30.5, 20.5))
OBSTACLE = 2.5  # radius as drawn
LANDED = 0.1  # actions to learn from end within so much of a whole pixel in each direction


@dataclass(frozen=True)
class E2CPlanar:
    """A square of 3 × 3 without inertia; an action displaces it by up to ``stride`` in each direction.

    State: x and y of its centre in pixels, y downwards. A displacement that ends with an obstacle's centre inside the
    square is not carried out; what lies in between does not matter. Drawn as 2 × 2 pixels, at whole pixels. The goal
    region is a disc around the goal. Numbers: Watter et al. 2015; Levine et al. 2020; Shu et al. 2020, and their code.
    """

    name: str = "e2c-planar"
    goals: tuple[tuple[float, ...], ...] = ((37.0, 37.0), (37.0, 3.0), (3.0, 37.0))
    half_width: float = 1.5
    stride: float = 3.0
    goal_radius: float = 2.0
    start_low: float = 3.0
    start_high: float = 7.0
    episode_steps: int = 40
    state_names: tuple[str, ...] = ("x", "y")
    action_size: int = 2
    seconds_per_step: float = 1.0
    size: ClassVar[int] = SIDE
    channels: ClassVar[int] = 1

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Uniform over a square at the corner that has no goal."""
        return rng.uniform(self.start_low, self.start_high, 2)

    def scatter(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """All free whole pixels in turn, each with a uniform displacement that ends free and near a whole pixel."""
        grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2)
        free = grid[self._free(torch.from_numpy(grid.astype(np.float64))).numpy()]
        states = np.resize(free, (count, 2)).astype(np.float64)
        actions, missing = np.zeros((count, 2)), np.ones(count, dtype=bool)
        while missing.any():
            drawn = rng.uniform(-self.stride, self.stride, (np.count_nonzero(missing), 2))
            good = (np.abs(drawn - np.round(drawn)) <= LANDED).all(axis=-1)
            good &= self._free(torch.from_numpy(states[missing] + drawn)).numpy()
            places = np.flatnonzero(missing)[good]
            actions[places], missing[places] = drawn[good] / self.stride, False
        return states, actions

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        moved = state + self.stride * action.clamp(-1, 1)
        moved = moved.clamp(self.half_width, SIDE - self.half_width)
        return torch.where(self._free(moved)[..., None], moved, state)

    def reward(self, state: Tensor) -> Tensor:
        """1 within the region of the first goal."""
        distance = (state - state.new_tensor(self.goals[0])).square().sum(-1).clamp_min(1e-12).sqrt()
        return tolerance(distance, lower=0.0, upper=self.goal_radius, margin=SIDE / 2)

    def terminated(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def in_goal(self, state: Tensor, goal: Tensor) -> Tensor:
        return (state - goal).square().sum(-1).sqrt() <= self.goal_radius

    def draw(self, state: np.ndarray, size: int) -> np.ndarray:
        canvas = Canvas(_background(size), len(state), sharp=True)
        canvas.rectangle(_picture(np.rint(state)), 2 / SIDE, 2 / SIDE, palette.WHITE)
        return canvas.pixels

    def _free(self, state: Tensor) -> Tensor:
        """Whether the square is on the plane and no obstacle's centre is in it, ``[..., 2] -> [...]``."""
        inside = ((state >= self.half_width) & (state <= SIDE - self.half_width)).all(-1)
        away = (state[..., None, :] - state.new_tensor(OBSTACLES)).abs() > self.half_width
        return inside & away.any(-1).all(-1)


def _picture(place: np.ndarray) -> np.ndarray:
    return (place * (2 / SIDE) - 1) * (1, -1)


@functools.lru_cache(maxsize=8)
def _background(size: int) -> np.ndarray:
    """The obstacles, white on black as the square is."""
    canvas = Canvas(ground(size, palette.BLACK), 1, sharp=True)
    for centre in OBSTACLES:
        canvas.disc(_picture(np.array(centre)), 2 * OBSTACLE / SIDE, palette.WHITE)
    canvas.pixels.setflags(write=False)
    return canvas.pixels[0]
