"""Frames per second of the control suite at 64 × 64, beside dm_control's own ``physics.render``, in one run.

    MUJOCO_GL=egl pytest benchmarks/test_dmc_render.py --benchmark-enable      # with a graphics library
    pytest benchmarks/test_dmc_render.py --benchmark-enable                    # without: ray casting alone

Each picture is of another state, along an episode of random actions; the physics is stepped outside of the measured
time. Times are of the processor, of all of its threads (software Mesa is given one). ``frames_per_second`` is in the
extra info of each row.
"""

import os
import time
from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from envs import graphics
from envs.dmc import DmcEnv

SIX = ["cartpole-swingup", "reacher-easy", "cheetah-run", "finger-spin", "ball_in_cup-catch", "walker-walk"]
SIZE, LEAST = 64, {"fast": 1000, "smooth": 400, "rays": 400}

needs_library = pytest.mark.skipif(
    os.environ.get("MUJOCO_GL", "disable") in graphics.OFF, reason="MUJOCO_GL=egl, and libegl1 libgl1, are needed"
)
pytestmark = pytest.mark.benchmark(timer=time.process_time)


def measure(benchmark: BenchmarkFixture, env: DmcEnv, draw: Callable[[], np.ndarray], rounds: int) -> None:
    env.reset(seed=0)
    rng, step = np.random.default_rng(0), env._suite.step

    def move() -> None:
        if env._suite._reset_next_step:
            env.reset()
        step(rng.uniform(-1, 1, env.action_space.shape))

    move()
    assert np.ptp(draw().astype(int)) > 60
    benchmark.pedantic(draw, setup=move, rounds=rounds, warmup_rounds=3)
    if benchmark.stats is not None:  # absent under --benchmark-disable
        benchmark.extra_info["frames_per_second"] = round(1 / benchmark.stats.stats.median)
    env.close()


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize(
    "render", ["rays", pytest.param("fast", marks=needs_library), pytest.param("smooth", marks=needs_library)]
)
def test_ours(benchmark: BenchmarkFixture, name: str, render: str) -> None:
    env = DmcEnv(name, SIZE, render=render)
    measure(benchmark, env, env._draw, 200)
    if benchmark.stats is not None:
        assert benchmark.extra_info["frames_per_second"] >= LEAST[render]


@needs_library
@pytest.mark.parametrize("name", SIX)
def test_ours_with_all_effects(benchmark: BenchmarkFixture, name: str) -> None:
    env = DmcEnv(name, SIZE, render="default")
    measure(benchmark, env, env._draw, 20)


@needs_library
@pytest.mark.parametrize("name", SIX)
def test_dm_control(benchmark: BenchmarkFixture, name: str) -> None:
    from dm_control import suite

    env = DmcEnv(name, SIZE, render="rays")
    env._suite = suite.load(*name.split("-"))
    measure(benchmark, env, lambda: env._suite.physics.render(SIZE, SIZE, camera_id=0), 20)
