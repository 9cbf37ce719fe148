"""Each rule of the contract suite notices the fault that it is for, and a sound environment passes all of them."""

import random

import gymnasium as gym
import numpy as np
import pytest

from envs import make
from envs.check import check
from envs.gym_adapter import PixelAdapter
from tests.envs.moving_dot import MovingDot


def faults(kind, **options):
    return {f.rule: f for f in check(lambda: PixelAdapter(kind, 24, **options)) if f.verdict != "ok"}


class GlobalChance(MovingDot):
    def step(self, action):
        return super().step(action + random.random())


class GlobalStart(MovingDot):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = np.random.default_rng().uniform(4, 20, 2)
        return self.picture(), {}


class Leftover(MovingDot):
    def reset(self, *, seed=None, options=None):
        before = self.place.copy()
        super().reset(seed=seed)
        self.place = np.clip(self.place + 0.3 * before, 2, 21)
        return self.picture(), {}


class OneStart(MovingDot):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = np.full(2, 8.0)
        return self.picture(), {}


class Deaf(MovingDot):
    def step(self, action):
        return super().step(np.array([action[0], 2.0]))


class Clipping(MovingDot):
    def step(self, action):
        return super().step(np.clip(action, 1.5, 2.5))


class Slow(MovingDot):
    def __init__(self):
        super().__init__(speed=0.05)


class Dark(MovingDot):
    def picture(self):
        return (super().picture() / 255.0).astype(np.uint8)


class Unbounded(MovingDot):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward * 1e4, *rest


class NotANumber(MovingDot):
    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, float("nan") if self.steps == 3 else 0.0, *rest


class Endless(MovingDot):
    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


class ClockTerminates(MovingDot):
    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, truncated, False, info


class Both(MovingDot):
    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, truncated, truncated, info


class OneBuffer(MovingDot):
    """Behind no adapter, which copies."""

    def __init__(self):
        super().__init__()
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.buffer = np.zeros((24, 24, 3), np.uint8)

    def step(self, action):
        return super().step(2 * action + 2)

    def picture(self):
        self.buffer[:] = super().picture()
        return self.buffer


class ChannelsFirst(OneBuffer):
    def picture(self):
        return MovingDot.picture(self).transpose(2, 0, 1)


PLANTED = [
    (GlobalChance, "the same seed", "broken", "self.np_random"),
    (GlobalStart, "the same seed", "broken", "reset() draws"),
    (Leftover, "and after another", "broken", "leaves something"),
    (OneStart, "start states", "warning", "start alike"),
    (Deaf, "pictures follow", "broken", "does not use that action"),
    (Clipping, "actions are scaled", "warning", "wider than what"),
    (Slow, "pictures change", "warning", "repeat=2"),
    (Dark, "pictures use", "broken", "multiply by 255"),
    (Unbounded, "rewards are", "warning", "scale rewards"),
    (NotANumber, "rewards are", "broken", "division"),
    (ClockTerminates, "terminated is", "warning", "time limit"),
    (Both, "terminated is", "broken", "truncated alone"),
]


def test_a_sound_environment_has_no_fault():
    assert faults(MovingDot) == {}


@pytest.mark.parametrize(("kind", "rule", "verdict", "cause"), PLANTED)
def test_a_planted_fault_is_found_with_its_cause(kind, rule, verdict, cause):
    (found,) = [finding for name, finding in faults(kind).items() if name.startswith(rule)]
    assert found.verdict == verdict
    assert cause in found.cause


def test_an_episode_without_end_is_found_where_nothing_cuts_it():
    found = {f.rule: f for f in check(lambda: Direct(Endless))}
    assert found["an episode ends by the 12th step"].verdict == "broken"


def test_a_picture_that_changes_later_and_a_foreign_layout_are_found():
    rules = {f.rule: f.verdict for f in check(OneBuffer)}
    assert rules["pictures that were given out do not change later"] == "broken"
    first = next(iter(check(ChannelsFirst)))
    assert (first.verdict, "transpose" in first.cause) == ("broken", True)


def test_built_in_tasks_keep_the_contract():
    assert all(finding.verdict == "ok" for finding in check(lambda: make("cartpole", size=32)))


class Direct(gym.ActionWrapper):
    """Actions in [-1, 1] and nothing else of the adapter."""

    def __init__(self, kind):
        super().__init__(kind())
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.episode_steps = 12

    def action(self, action):
        return 2 * action + 2
