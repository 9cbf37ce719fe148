"""An environment as users write them: Gymnasium's interface, pictures of its own size, actions of its own range."""

from typing import Any

import gymnasium as gym
import numpy as np


class MovingDot(gym.Env):
    """A dot that actions in [0, 4]² push about; 12 steps."""

    episode_steps = 12

    def __init__(self, speed: float = 2.0) -> None:
        self.speed = speed
        self.action_space = gym.spaces.Box(0.0, 4.0, (2,), np.float32)
        self.observation_space = gym.spaces.Box(0, 255, (24, 24, 3), np.uint8)
        self.place, self.steps = np.zeros(2), 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(4, 20, 2), 0
        return self.picture(), {"state": self.place.copy()}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.place = np.clip(self.place + self.speed * (action - 2), 2, 21)
        self.steps += 1
        reward = 1 - float(np.abs(self.place - 12).max()) / 12
        return self.picture(), reward, False, self.steps >= self.episode_steps, {"state": self.place.copy()}

    def picture(self) -> np.ndarray:
        picture = np.full((24, 24, 3), 220, np.uint8)
        x, y = self.place.astype(int)
        picture[y - 2 : y + 3, x - 2 : x + 3] = (200, 60, 40)
        return picture
