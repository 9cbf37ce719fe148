"""Scattered transitions as a data folder: episodes of two rows, of grey pictures, that a run can learn from."""

from pathlib import Path

import numpy as np
import pytest

import envs
from experiments import cli
from worldmodel.data_folder import open_folder

COLLECT = ["collect", "e2c-balance", "--policy", "scattered", "--episodes", "50", "--size", "48"]


def test_every_episode_is_one_true_transition_and_some_are_held_out(tmp_path: Path) -> None:
    assert cli.main([*COLLECT, "--out", str(tmp_path / "data")]) == 0
    data = open_folder(tmp_path / "data")
    assert (data.train.position(), data.test.position()) == (45, 5)
    task, batch = envs.task("e2c-balance"), data.train.sample(30, 2, np.random.default_rng(0))
    assert batch.valid.all()
    assert batch.is_first.tolist() == [[True, False]] * 30
    after = task.step(batch.state[:, 0], batch.action[:, 1].double())
    np.testing.assert_allclose(after, batch.state[:, 1], atol=1e-5)
    assert (task.draw(batch.state[:, 1].numpy(), 48) == batch.observation[:, 1].numpy()).all()


def test_a_run_learns_from_grey_transitions(tmp_path: Path) -> None:
    assert cli.main([*COLLECT, "--out", str(tmp_path / "data")]) == 0
    words = ["train", "tiny", "--data", str(tmp_path / "data"), "--env", "e2c-balance", "--size", "48"]
    assert cli.main([*words, "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "open_loop.webp").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["collect", "pendulum", "--policy", "scattered"], "pendulum came"),
        (["collect", "e2c-balance", "--policy", "scattered", "--size", "32"], "give 48"),
    ],
)
def test_what_is_not_scattered_is_said(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--out", str(tmp_path / "data")]) == 2
    assert said in capsys.readouterr().err
