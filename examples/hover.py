"""An environment of one's own, for `worldmodel train dmc --env examples.hover:Hover --size 32`.

Gymnasium's interface is all that is asked for; here a ball hovers on the thrust of one jet. Check it first:

    worldmodel check-env examples.hover:Hover --size 32
"""

import gymnasium as gym
import numpy as np


class Hover(gym.Env):
    """The nearer the ball is to the middle, the higher the reward; 50 steps. Velocity cannot be seen in a picture."""

    episode_steps = 50
    observation_space = gym.spaces.Box(0, 255, (32, 32, 3), np.uint8)  # pictures: [height, width, channel]
    action_space = gym.spaces.Box(0.0, 2.0, (1,), np.float32)  # any finite limits; planners see [-1, 1]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.height, self.velocity, self.steps = self.np_random.uniform(4.0, 27.0), 0.0, 0  # its own generator
        return self._picture(), {"state": np.array([self.height, self.velocity])}  # the state is for probes, optional

    def step(self, action):
        self.velocity = 0.9 * (self.velocity + 0.5 * (float(action[0]) - 1.0))
        self.height = float(np.clip(self.height + self.velocity, 2.0, 29.0))
        self.steps += 1
        reward = 1.0 - abs(self.height - 15.5) / 15.5
        terminated, truncated = False, self.steps >= self.episode_steps  # the clock's end is never `terminated`
        return self._picture(), reward, terminated, truncated, {"state": np.array([self.height, self.velocity])}

    def _picture(self):
        rows, columns = np.mgrid[:32, :32]
        ball = np.clip(3.0 - np.hypot(rows - self.height, columns - 15.5), 0.0, 1.0)[..., None]  # soft edges
        return (235 - ball * [20, 140, 190]).astype(np.uint8)
