"""Scattered transitions of a goal task: two rows each, every distinct frame stored once.

Frames are drawn in whole pixels, so that there are few: a pendulum's 20,000 transitions show 172.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from envs.task import GoalTask
from experiments.seeds import numpy_generator
from worldmodel.episode import Episode


class Transitions(NamedTuple):
    """frames ``[distinct, height, width]`` uint8. shown ``[count, 2, channel]``: which frames before and after. action
    ``[count, action]``: what led from the one to the other. state ``[count, 2, state]``: the true ones.
    """

    frames: Tensor
    shown: Tensor
    action: Tensor
    state: np.ndarray

    def split(self, held_out: int) -> tuple[Transitions, Transitions]:
        """Those to learn from, and ``held_out`` that are not, taken evenly from all."""
        test = torch.zeros(len(self.action), dtype=torch.bool)
        test[torch.linspace(0, len(test) - 1, held_out).long()] = True
        return self.only(~test), self.only(test)

    def only(self, chosen: Tensor) -> Transitions:
        return self._replace(shown=self.shown[chosen], action=self.action[chosen], state=self.state[chosen.numpy()])

    def episode(self, number: int) -> Episode:
        """One transition as an episode of two rows, for a replay or a data folder."""
        pictures = self.frames[self.shown[number]].movedim(1, -1).numpy()  # [2, height, width, channel]
        action = self.action[number].numpy()
        return Episode(
            observation=pictures,
            action=np.stack([np.zeros_like(action), action]),
            reward=np.zeros(2, dtype=np.float32),
            terminated=np.zeros(2, dtype=bool),
            is_first=np.array([True, False]),
            state=self.state[number],
        )


def scattered(task: GoalTask, count: int, seed: int) -> Transitions:
    """``count`` transitions as the published training sets have them: states all over, uniform actions."""
    states, actions = task.scatter(numpy_generator(seed, "scatter"), count)
    after = task.step(torch.from_numpy(states), torch.from_numpy(actions)).numpy()
    state = np.stack([states, after], axis=1)
    frames, shown = distinct(task, state.reshape(2 * count, -1))
    return Transitions(frames, shown.view(count, 2, -1), torch.from_numpy(actions).float(), state)


def distinct(task: GoalTask, states: np.ndarray, at_once: int = 2_000) -> tuple[Tensor, Tensor]:
    """The distinct frames of pictures of states ``[count, state]``, and which are shown, ``[count, channel]``."""
    number: dict[bytes, int] = {}
    frames: list[np.ndarray] = []
    shown: list[int] = []
    for start in range(0, len(states), at_once):
        pictures = np.ascontiguousarray(np.moveaxis(task.draw(states[start : start + at_once], task.size), -1, 1))
        for frame in pictures.reshape(-1, task.size, task.size):
            key = frame.tobytes()
            if key not in number:
                number[key] = len(frames)
                frames.append(frame.copy())
            shown.append(number[key])
    return torch.from_numpy(np.stack(frames)), torch.tensor(shown).view(len(states), -1)
