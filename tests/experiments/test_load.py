"""Load and act from Python."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

import envs
from experiments import load
from experiments.errors import UserError
from experiments.load import load_run
from experiments.planning import PLANNERS


def test_the_six_lines_of_the_docstring_play_an_episode(tiny_run: Path) -> None:
    code = textwrap.dedent((load.__doc__ or "").partition(":\n\n")[2])
    lines = [line for line in code.splitlines() if line]
    assert len(lines) - 2 <= 6  # after the imports
    scope: dict = {}
    exec(code.replace("runs/demo", str(tiny_run)), scope)
    assert scope["truncated"]
    assert 0 <= scope["reward"] <= 1


def test_a_batch_is_its_rows(tiny_run: Path) -> None:
    env = envs.make_vector("pendulum", 2)
    observation, _ = env.reset(seed=3)
    planner = {"planner": "cem", "candidates": 8, "elites": 2, "iterations": 1, "horizon": 2}
    batch, thought = load_run(tiny_run, **planner).act(observation)
    again, _ = load_run(tiny_run, **planner).act(observation, thought)
    assert batch.shape == again.shape == (2, 1)
    for i in range(2):
        single = load_run(tiny_run, **planner)
        action, thought = single.act(observation[i])
        np.testing.assert_allclose(action, batch[i], atol=1e-5)
        assert action.dtype == np.float32


def test_the_agent_remembers_nothing(tiny_run: Path) -> None:
    """Two episodes in turns are two episodes one after the other: all that is remembered is in the thought."""
    env = envs.make_vector("pendulum", 1)
    images = [env.reset(seed=seed)[0][0] for seed in (1, 2)]
    agent = load_run(tiny_run, "ilqr", horizon=3, iterations=1)  # draws no random numbers after the first decision
    _, thought = agent.act(images[0])
    agent.act(images[1])
    second, _ = agent.act(images[0], thought)
    fresh = load_run(tiny_run, "ilqr", horizon=3, iterations=1)
    _, thought = fresh.act(images[0])
    np.testing.assert_array_equal(second, fresh.act(images[0], thought)[0])


@pytest.mark.parametrize("name", PLANNERS)
def test_every_planner_acts(tiny_run: Path, name: str) -> None:
    small = {} if name in ("ilqr", "gradient") else {"candidates": 8, "elites": 4}
    observation, _ = envs.make("pendulum").reset(seed=0)
    action, thought = load_run(tiny_run, name, iterations=1 if name != "random-shooting" else None, **small).act(
        observation
    )
    assert action.shape == (1,)
    assert np.abs(action) <= 1
    assert thought.plan.actions.shape == (1, 5, 1)  # the horizon of the run's own planner


def test_images_of_another_size_are_refused(tiny_run: Path) -> None:
    observation, _ = envs.make("pendulum", size=64).reset(seed=0)
    with pytest.raises(ValueError, match=r"32.*64|64.*32"):
        load_run(tiny_run).act(observation)


def test_no_run_and_no_such_planner_are_said(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_run(tmp_path)
    with pytest.raises(UserError, match="Did you mean 'icem'"):
        load_run(tiny_run, "icme")
