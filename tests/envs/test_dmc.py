"""The control suite from pixels: the same by every renderer, at once without a graphics library, and never a zombie."""

import os
import subprocess
import sys

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs import dmc, graphics

SIX = ["cartpole-swingup", "reacher-easy", "cheetah-run", "finger-spin", "ball_in_cup-catch", "walker-walk"]
HIDDEN = """
import ctypes, ctypes.util
def none(*arguments, **named): raise OSError("hidden by the test")
ctypes.util.find_library = lambda name: None
original = ctypes.CDLL.__init__
def load(self, name, *arguments, **named):
    if name and any(word in str(name) for word in ("EGL", "libGL", "OSMesa", "glfw")): none()
    original(self, name, *arguments, **named)
ctypes.CDLL.__init__ = load
"""


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has asked for nothing yet."""
    graphics.backend.cache_clear()
    monkeypatch.setenv("MUJOCO_GL", "")
    monkeypatch.delenv(graphics.TRIED, raising=False)
    yield monkeypatch
    graphics.backend.cache_clear()


def play(env, seed, steps=3):
    observation, info = env.reset(seed=seed)
    rng, record = np.random.default_rng(0), [(observation, 0.0, info["state"])]
    for _ in range(steps):
        action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        observation, reward, _, _, info = env.step(action)
        record.append((observation, reward, info["state"]))
    return [np.stack(column) for column in zip(*record, strict=True)]


@pytest.mark.parametrize("name", SIX)
def test_each_task_draws_moves_and_repeats_itself(name):
    env = dmc.DmcEnv(name, render="rays")
    first, again = play(env, seed=1), play(env, seed=1)
    other = play(env, seed=2)
    assert first[0].shape == (4, 64, 64, 3)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[2] != other[2]).any()
    assert (first[0][0] != first[0][-1]).any()
    assert np.ptp(first[0][0].reshape(-1, 3).astype(int), axis=0).max() > 60  # not one grey


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # the checker's advice on renderers and metadata
def test_gymnasium_finds_nothing_wrong():
    check_env(dmc.DmcEnv("cartpole-balance", render="rays"), skip_render_check=True)


def test_actions_are_repeated_as_planet_does_and_the_reward_is_the_sum():
    repeats = {dmc.DmcEnv(name, render="rays").repeat for name in ("walker-walk", "finger-spin", "pendulum-swingup")}
    assert repeats == {2}
    assert dmc.DmcEnv("cartpole-swingup", render="rays").repeat == 8
    slow, quick = (dmc.DmcEnv("cartpole-balance", render="rays", repeat=repeat) for repeat in (4, 1))
    action = np.array([0.5], dtype=np.float32)
    slow.reset(seed=3), quick.reset(seed=3)
    summed = sum(quick.step(action)[1] for _ in range(4))
    reward = slow.step(action)[1]
    assert reward == pytest.approx(summed)
    assert 3.5 < reward <= 4


def test_an_episode_is_cut_after_a_thousand_control_steps_and_is_not_terminated():
    env = dmc.DmcEnv("cartpole-swingup", render="rays", size=8, repeat=300)
    env.reset(seed=0)
    ends = [env.step(np.zeros(1, dtype=np.float32))[2:4] for _ in range(env.episode_steps)]
    assert ends == [(False, False)] * 3 + [(False, True)]
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(np.zeros(1, dtype=np.float32))


def test_names_are_read_generously_and_the_nearest_is_named():
    assert dmc.canonical("cup-catch") == dmc.canonical("ball_in_cup_catch") == "ball_in_cup-catch"
    assert dmc.canonical("cartpole-swingup-sparse") == "cartpole-swingup_sparse"
    with pytest.raises(ValueError, match="did you mean 'cartpole-swingup'"):
        dmc.canonical("cartpole-swing")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"repeat": 0}, "repeat must be at least 1"),
        ({"render": "pretty"}, "render must be one of smooth, fast, default, rays"),
    ],
)
def test_what_cannot_be_made_is_said(arguments, words):
    with pytest.raises(ValueError, match=words):
        dmc.DmcEnv("cartpole-swingup", **{"render": "rays"} | arguments)


def test_actions_out_of_range_are_refused():
    env = dmc.DmcEnv("cartpole-swingup", render="rays")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"within \[-1, 1\]"):
        env.step(np.array([1.5]))
    with pytest.raises(ValueError, match="NaN"):
        env.step(np.array([np.nan]))


def test_terrain_that_is_made_at_each_reset_needs_no_graphics_library():
    env = dmc.DmcEnv("quadruped-escape", render="rays", size=16)
    first, second = env.reset(seed=0)[0], env.reset(seed=1)[0]
    assert (first != second).any()


def test_without_any_library_it_says_so_and_draws(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HIDDEN)
    script = "from envs.dmc import DmcEnv; from envs.graphics import describe; e = DmcEnv('cup-catch'); "
    script += "print(e.profile, e.reset(seed=0)[0].std() > 5); print(describe())"
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", graphics.TRIED, "DISPLAY")}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    first, second = ended.stdout.splitlines()
    assert first == "rays True"
    assert "libegl1" in second


def test_a_probe_that_hangs_is_killed_and_waited_for(fresh):
    fresh.setattr(graphics, "PROBE", "import time; time.sleep(60)")
    fresh.setattr(graphics, "SECONDS", 0.3)
    assert graphics.backend() == graphics.RAYS
    assert os.environ["MUJOCO_GL"] == "disable"
    assert "libegl1" in graphics.describe()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left, dead or alive


def test_what_the_user_named_is_required_to_work(fresh):
    fresh.setattr(graphics, "draws", lambda name: False)
    fresh.setenv("MUJOCO_GL", "egl")
    with pytest.raises(RuntimeError, match="egl came and draws nothing"):
        graphics.backend()


def test_a_choice_is_made_once_for_all_processes(fresh):
    tried = []
    fresh.setattr(graphics, "draws", lambda name: tried.append(name) or name == "osmesa")
    fresh.setattr(graphics, "_candidates", lambda: ("egl", "osmesa"))
    assert graphics.backend() == "osmesa"
    graphics.backend.cache_clear()  # as another process that inherits the environment
    assert graphics.backend() == "osmesa"
    assert tried == ["egl", "osmesa"]
    assert "osmesa" in graphics.describe()


def drawn_by_egl(script):
    """What it prints, in a process of its own: MuJoCo chooses its library once."""
    if not graphics.draws("egl"):
        pytest.skip("no EGL here: apt-get install libegl1 libgl1")
    environment = os.environ | {"MUJOCO_GL": "egl", "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "Exception ignored" not in ended.stderr
    return ended.stdout


@pytest.mark.parametrize("render", ["smooth", "fast", "default"])
def test_the_graphics_library_draws_what_the_rays_meet(render):
    script = f"""
import numpy as np
from envs.dmc import DmcEnv
drawn, cast = (DmcEnv('reacher-easy', render=r).reset(seed=1)[0].astype(int) for r in ({render!r}, 'rays'))
red = [(p[..., 0] > p[..., 2] + 40) for p in (drawn, cast)]
print((red[0] & red[1]).sum() / (red[0] | red[1]).sum())
import torch._dynamo  # brings Triton, whose LLVM must not meet Mesa's
many = [DmcEnv('reacher-easy', render={render!r}, size=16) for _ in range(3)]
for env in many: env.reset()
many[1].close()  # in another's context
many[0].reset()
"""
    assert float(drawn_by_egl(script)) > 0.8  # of arm and target


def test_smooth_pictures_show_a_thin_pole_as_finer_ones_do():
    """Each of their pixels is about the mean of what it covers; one of ``fast`` is what lies at its centre."""
    script = """
import numpy as np
from envs.dmc import DmcEnv
def picture(render, size):
    env = DmcEnv("cartpole-swingup", size, render=render)
    env.reset(seed=1)
    with env._suite.physics.reset_context(): env._suite.physics.set_state(np.array([0, 0.7, 0, 0]))
    return env._draw().astype(float)
finer = picture("fast", 256).reshape(64, 4, 64, 4, 3).mean((1, 3))
pole = finer[..., 0] > finer[..., 2] + 10
for render in ("smooth", "fast"): print(np.square(picture(render, 64) - finer)[pole].mean())
"""
    smooth, fast = map(float, drawn_by_egl(script).split())
    assert smooth < fast / 2
