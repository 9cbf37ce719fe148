"""Environments by name: built-in, the control suite, Gymnasium's, and the user's own, through the same commands."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from experiments import environment
from experiments.cli import main
from experiments.errors import UserError
from experiments.load import load_run
from experiments.run_folder import read_config
from experiments.train import replay_rows
from tests.experiments.conftest import TINY

DMC = "dmc:pendulum-swingup,render=rays,repeat=100"  # ten decisions an episode
OWN = "tests.envs.moving_dot:MovingDot"
NAMES = [DMC, OWN, "gym:worldmodel/planar-v0", "gym:Acrobot-v1,steps=5"]


@pytest.mark.parametrize("name", [*NAMES, "pendulum"])
def test_vector_and_shapes_agree_and_nothing_resets_by_itself(name: str) -> None:
    form, env = environment.shapes(name, 32), environment.make(name, 2, 32)
    observation, info = env.reset(seed=3)
    assert observation.shape == (2, *form.observation)
    assert observation.dtype == np.uint8
    assert env.single_action_space.shape == (form.action,)
    assert info["state"].shape == (2, form.state)
    assert env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    for _ in range(environment.episode_steps(name, 32)):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated.any():
            env.reset(options={"reset_mask": terminated | truncated})
    assert (terminated | truncated).all()
    env.close()


def test_processes_give_the_same_bits() -> None:
    records = []
    for processes in (1, 2):
        env = environment.make(OWN, 2, 32, processes)
        rng, record = np.random.default_rng(0), [env.reset(seed=5)[0]]
        record += [env.step(rng.uniform(-1, 1, (2, 2)).astype(np.float32))[0] for _ in range(3)]
        record.append(env.reset(options={"reset_mask": np.array([True, False])})[0])
        records.append(np.stack(record))
        env.close()
    assert (records[0] == records[1]).all()


def test_names_are_stored_with_all_that_decides_the_pictures() -> None:
    assert environment.resolve("dmc:cup-catch,render=rays") == "dmc:ball_in_cup-catch,render=rays,repeat=4"
    assert environment.resolve("dmc:cup-catch") == "dmc:ball_in_cup-catch,render=rays,repeat=4"  # no library in tests
    assert environment.resolve("pendulum") == "pendulum"
    assert environment.with_options("gym:A-v0", repeat=3) == "gym:A-v0,repeat=3"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pendulm", "Did you mean 'pendulum'.*dmc:TASK"),
        ("dmc:cartpole-swing", "did you mean 'cartpole-swingup'"),
        ("dmc:cartpole-swingup,frames=3", "frames"),
        ("dmc:cartpole-swingup,repeat", "name=value"),
        ("gym:Pendulum-v99", "Pendulum"),
        ("no_such_module:Env", "no_such_module"),
        ("tests.envs.moving_dot:Missing", "nothing named 'Missing'"),
    ],
)
def test_what_cannot_be_made_is_said(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        environment.shapes(name, 32)


@pytest.mark.parametrize("name", [DMC, OWN])
def test_train_evaluate_compare_and_act(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main([*TINY, "--env", name, "--out", str(run)]) == 0
    config = read_config(run)
    assert (run / "open_loop.webp").exists()
    rows = environment.episode_steps(name, 32) + 1
    assert replay_rows(config) == rows * (config.seed_episodes + config.rounds * config.episodes)
    file = tmp_path / "e.json"
    assert main(["evaluate", str(run), "--episodes", "2", "--processes", "1", "--json", str(file)]) == 0
    assert json.loads(file.read_text())["score"] is None
    assert "returns only" in capsys.readouterr().out
    options = ["--planners", "cem", "random-shooting", "--budget", "steps=60", "--episodes", "1", "--workers", "1"]
    assert main(["compare", str(run), *options]) == 0
    agent, env = load_run(run), environment.make(name, 1, 32)
    action, _ = agent.act(env.reset(seed=0)[0])
    assert env.action_space.contains(action)


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "run"
    assert main([*TINY, "--env", OWN, "--out", str(folder)]) == 0
    return folder


def test_the_simulator_and_the_ladder_are_refused_with_the_reason(
    own_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(own_run), "--on", "simulator", "--processes", "1", "--episodes", "1"]) == 2
    assert "--on simulator needs the true dynamics" in capsys.readouterr().err
    assert main(["compare", str(own_run), "--planners", "cem", "--budget", "steps=60", "--ladder"]) == 2
    assert "The error ladder needs the true dynamics" in capsys.readouterr().err


def test_options_on_the_command_line_go_into_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--env", "dmc:cup-catch", "--render", "rays", "--action-repeat", "250", "--out", str(tmp_path / "run")]
    assert main([*TINY, "--rounds", "1", *options]) == 0
    assert read_config(tmp_path / "run").env == "dmc:ball_in_cup-catch,render=rays,repeat=250"
    assert "pictures: ray casting" in capsys.readouterr().out
    assert main(["train", "tiny", "--render", "fast", "--out", str(tmp_path / "other")]) == 2
    assert "have options; render=fast came for pendulum" in capsys.readouterr().err


@pytest.mark.parametrize("planner", ["ilqr", "gradient"])
def test_planners_that_need_gradients_refuse_choices(
    planner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--env", "gym:CartPole-v1", "--planner.name", planner, "--planner.candidates", "None"]
    unset = ["--planner.iterations", "None", "--planner.elites", "None", "--out", str(tmp_path / "run")]
    assert main([*TINY, *options, *unset]) == 2
    assert "discrete" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_discrete_actions_are_one_hot() -> None:
    form, env = environment.shapes("gym:CartPole-v1", 32), environment.make("gym:CartPole-v1", 1, 32)
    assert form == ((32, 32, 3), 2, 4, True)
    plain = gymnasium.make("CartPole-v1")
    plain.reset(seed=1), env.reset(seed=1)
    for choice in (1, 1, 0):
        expected = plain.step(choice)[0]
        state = env.step(np.eye(2, dtype=np.float32)[[choice]])[4]["state"][0]
        assert state == pytest.approx(expected)
