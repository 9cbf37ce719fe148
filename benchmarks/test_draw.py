"""Frames per second of the built-in tasks' pictures, beside Gymnasium's classic control (pygame), in one run.

    pip install "gymnasium[classic-control]"        # for Gymnasium's half
    pytest benchmarks/test_draw.py --benchmark-enable

Gymnasium draws one picture at a time, of 600 × 400 or 500 × 500, and has no other size; "resized" adds the step to
64 × 64 that a learner needs (Pillow, box filter). Ours at 500 × 500 is there for equal pixels. Times are of
the processor; ``frames_per_second`` is in the extra info of each row.
"""

import time
from collections.abc import Callable

import gymnasium
import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

import envs

BATCH, SIZE = 64, 64
CLASSIC = ["CartPole-v1", "Pendulum-v1"]

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def states(name: str, batch: int) -> np.ndarray:
    """Start states turned about, so that all directions are drawn."""
    task, rng = envs.task(name), np.random.default_rng(0)
    found = np.stack([task.initial(rng) for _ in range(batch)])
    if "angle" in task.state_names:
        found[:, task.state_names.index("angle")] = rng.uniform(-np.pi, np.pi, batch)
    return found


def measure(benchmark: BenchmarkFixture, draw: Callable[[], object], frames: int) -> None:
    benchmark(draw)
    if benchmark.stats is not None:  # absent under --benchmark-disable
        benchmark.extra_info["frames_per_second"] = round(frames / benchmark.stats.stats.median)


@pytest.mark.parametrize("name", envs.names())
def test_ours(benchmark: BenchmarkFixture, name: str) -> None:
    task, chosen = envs.task(name), states(name, BATCH)
    together = task.draw(chosen, SIZE)
    assert all(
        (task.draw(state[None], SIZE)[0] == picture).all() for state, picture in zip(chosen, together, strict=True)
    )
    measure(benchmark, lambda: task.draw(chosen, SIZE), BATCH)


@pytest.mark.parametrize("name", ["cartpole", "pendulum"])
def test_ours_one_large_picture(benchmark: BenchmarkFixture, name: str) -> None:
    task, chosen = envs.task(name), states(name, 1)
    assert task.draw(chosen, 500).shape == (1, 500, 500, 3)
    measure(benchmark, lambda: task.draw(chosen, 500), 1)


@pytest.fixture(params=CLASSIC)
def classic(request: pytest.FixtureRequest) -> gymnasium.Env:
    pytest.importorskip("pygame", reason='Gymnasium draws with pygame: pip install "gymnasium[classic-control]"')
    env = gymnasium.make(request.param, render_mode="rgb_array")
    env.reset(seed=0)
    yield env
    env.close()


def test_gymnasium(benchmark: BenchmarkFixture, classic: gymnasium.Env) -> None:
    assert len(np.unique(classic.render().reshape(-1, 3), axis=0)) > 2
    measure(benchmark, classic.render, 1)


def test_gymnasium_resized(benchmark: BenchmarkFixture, classic: gymnasium.Env) -> None:
    def small() -> np.ndarray:
        return np.asarray(Image.fromarray(classic.render()).resize((SIZE, SIZE), Image.Resampling.BOX))

    assert small().shape == (SIZE, SIZE, 3)
    measure(benchmark, small, 1)
