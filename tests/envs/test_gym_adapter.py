"""Spaces and pictures of other environments, brought into this package's form."""

import os
import sys

import gymnasium as gym
import numpy as np
import pytest

from envs.gym_adapter import PixelAdapter, resized
from tests.envs.moving_dot import MovingDot


class Told(gym.Env):
    """Tells what it was given; pictures are what the test says."""

    def __init__(self, space, observation_space, picture=None, render_mode=None):
        self.action_space, self.observation_space, self.render_mode = space, observation_space, render_mode
        self.shown = picture

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample() * 0, {}

    def step(self, action):
        self.given = action
        return self.observation_space.sample() * 0, 1.0, False, False, {}

    def render(self):
        return self.shown


IMAGE = gym.spaces.Box(0, 255, (16, 16, 3), np.uint8)
VECTOR = gym.spaces.Box(-1, 1, (5,), np.float64)


def given(space, action):
    env = PixelAdapter(lambda: Told(space, IMAGE), 16)
    env.reset(seed=0)
    env.step(np.array(action))
    return env.env.given


def test_actions_are_stretched_to_the_limits_and_keep_shape_and_type():
    space = gym.spaces.Box(np.float32([[0.0, -10.0]]), np.float32([[4.0, -2.0]]))
    low, middle, high = (given(space, [x, x]) for x in (-1, 0, 1))
    assert low.dtype == np.float32
    assert (low == [[0, -10]]).all()
    assert (middle == [[2, -6]]).all()
    assert (high == [[4, -2]]).all()


def test_unlimited_actions_are_taken_as_they_are():
    assert given(gym.spaces.Box(-np.inf, np.inf, (1,)), [0.25]) == [0.25]


def test_the_largest_entry_chooses():
    assert given(gym.spaces.Discrete(3, start=5), [0.0, 1.0, 0.0]) == 6


@pytest.mark.parametrize("space", [gym.spaces.MultiDiscrete([2, 2]), gym.spaces.Box(0, 5, (2,), np.int64)])
def test_other_actions_are_refused(space):
    with pytest.raises(ValueError, match="Box of floats or Discrete"):
        PixelAdapter(lambda: Told(space, IMAGE), 16)


def test_vectors_are_rendered_and_become_the_state():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, 30:] = 200
    env = PixelAdapter(lambda **options: Told(gym.spaces.Discrete(2), VECTOR, picture, **options), 8)
    observation, info = env.reset(seed=0)
    assert env.env.render_mode == "rgb_array"
    assert (observation[:, :4] == 0).all()
    assert (observation[:, 4:] == 200).all()
    assert info["state"].shape == (5,)


def test_what_cannot_be_rendered_is_said_with_the_way_out():
    with pytest.raises(ValueError, match="must take render_mode='rgb_array'"):
        PixelAdapter(lambda: Told(gym.spaces.Discrete(2), VECTOR), 8)
    env = PixelAdapter(lambda **options: Told(gym.spaces.Discrete(2), VECTOR, np.zeros(3), **options), 8)
    with pytest.raises(ValueError, match=r"render\(\) must give a uint8 picture"):
        env.reset()
    first = gym.spaces.Box(0, 255, (3, 16, 16), np.uint8)
    with pytest.raises(ValueError, match="channels first"):
        PixelAdapter(lambda: Told(gym.spaces.Discrete(2), first), 8)


def test_grey_pictures_stay_grey():
    grey = gym.spaces.Box(0, 255, (20, 20), np.uint8)
    env = PixelAdapter(lambda: Told(gym.spaces.Discrete(2), grey), 10)
    assert env.reset(seed=0)[0].shape == env.observation_space.shape == (10, 10, 1)


def test_steps_are_repeated_and_summed_until_the_episode_ends():
    env = PixelAdapter(MovingDot, 24, repeat=5)
    plain = PixelAdapter(MovingDot, 24)
    assert env.episode_steps == 3
    env.reset(seed=0), plain.reset(seed=0)
    action = np.array([0.1, -0.1], dtype=np.float32)
    expected = [plain.step(action)[1] for _ in range(12)]
    got = [env.step(action) for _ in range(3)]
    assert [g[1] for g in got] == pytest.approx([sum(expected[:5]), sum(expected[5:10]), sum(expected[10:])])
    assert [g[3] for g in got] == [False, False, True]


def test_an_episode_is_cut_where_the_environment_has_no_end():
    env = PixelAdapter(lambda: Told(gym.spaces.Discrete(2), IMAGE), 16, steps=2)
    env.reset(seed=0)
    ends = [env.step(np.zeros(2))[2:4] for _ in range(2)]
    assert ends == [(False, False), (False, True)]
    assert PixelAdapter(lambda: Told(gym.spaces.Discrete(2), IMAGE), 16).episode_steps == 1000


def test_resizing_averages_and_copies():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[0, 0] = 200
    assert resized(picture, 2)[0, 0].tolist() == [50, 50, 50]
    same = resized(picture, 4)
    same[:] = 9
    assert picture.max() == 200


@pytest.mark.skipif(sys.platform != "linux", reason="others have a screen")
@pytest.mark.parametrize(("display", "driver"), [("", "dummy"), (":0", None)])
def test_pygame_is_told_where_there_is_no_screen(monkeypatch, display, driver):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ) | {"DISPLAY": display})
    PixelAdapter(lambda **_: Told(gym.spaces.Discrete(2), VECTOR, np.zeros((8, 8, 3), np.uint8)), 16)
    assert os.environ.get("SDL_VIDEODRIVER") == driver
