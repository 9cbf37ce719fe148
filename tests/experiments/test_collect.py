"""`worldmodel collect`: the same episodes however often it is stopped, and nothing half asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments import collect as collecting
from experiments.cli import main
from worldmodel.data_folder import DataFolder, open_folder
from worldmodel.episode import Episode


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "SIDE_BY_SIDE", 3)


def collect(folder: Path, *options: str) -> int:
    return main(["collect", "pendulum", "--episodes", "5", "--out", str(folder), *options])


def add_until(stored: int) -> Callable[[DataFolder, Episode], None]:
    """`DataFolder.add`, interrupted when there are so many."""
    original = DataFolder.add

    def add(self: DataFolder, episode: Episode) -> None:
        if self.episodes == stored:
            raise KeyboardInterrupt
        original(self, episode)

    return add


def test_episodes_are_whole_and_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert collect(tmp_path / "data", "--test-share", "0.4", "--size", "16") == 0
    out = capsys.readouterr().out
    assert out.startswith("data: at most ")
    assert "frames/s" in out
    data = open_folder(tmp_path / "data")
    assert (data.train.count("train"), data.test.count("train")) == (3, 2)
    assert (data.about.env, data.about.policy, data.about.observation_shape) == ("pendulum", "random", (16, 16, 3))
    assert data.about.versions["torch"]
    starts = [e.state[0] for e in (*data.train.episodes("train"), *data.test.episodes("train"))]
    assert len(np.unique(starts, axis=0)) == 5


@pytest.mark.parametrize("stored", [0, 2, 4])
def test_stopped_collecting_goes_on_to_the_same_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stored: int
) -> None:
    assert collect(tmp_path / "whole") == 0
    with monkeypatch.context() as patched:
        patched.setattr(DataFolder, "add", add_until(stored))
        assert collect(tmp_path / "stopped") == 130
    assert f"Stored: {stored} episodes" in capsys.readouterr().err
    assert collect(tmp_path / "stopped") == 2  # not without being told to
    assert "--resume" in capsys.readouterr().err
    assert collect(tmp_path / "stopped", "--resume") == 0
    whole, stopped = open_folder(tmp_path / "whole"), open_folder(tmp_path / "stopped")
    assert stopped.episodes == 5
    assert stopped.fingerprint == whole.fingerprint


def test_processes_play_the_same_episodes_also_after_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert collect(tmp_path / "one", "--size", "16") == 0
    with monkeypatch.context() as patched:
        patched.setattr(DataFolder, "add", add_until(1))
        assert collect(tmp_path / "two", "--size", "16") == 130
    assert collect(tmp_path / "two", "--size", "16", "--processes", "2", "--resume") == 0
    assert open_folder(tmp_path / "one").fingerprint == open_folder(tmp_path / "two").fingerprint


def test_another_seed_gives_other_episodes_and_is_not_mixed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collect(tmp_path / "one") == 0
    assert collect(tmp_path / "other", "--seed", "1") == 0
    assert open_folder(tmp_path / "one").fingerprint != open_folder(tmp_path / "other").fingerprint
    capsys.readouterr()
    assert collect(tmp_path / "one", "--resume", "--seed", "1") == 1
    assert "seed 1 (stored: 0)" in capsys.readouterr().err


def test_a_run_collects_with_its_planner(tiny_run: Path, tmp_path: Path) -> None:
    assert collect(tmp_path / "data", "--policy", f"{tiny_run}:icem:candidates=4,elites=2,iterations=1") == 0
    assert open_folder(tmp_path / "data").episodes == 5
    assert collect(tmp_path / "again", "--policy", f"{tiny_run}:icem:candidates=4,elites=2,iterations=1") == 0
    assert open_folder(tmp_path / "data").fingerprint == open_folder(tmp_path / "again").fingerprint


WRONG = {
    "an unknown environment": (["collect", "pendulam"], "Did you mean 'pendulum'"),
    "no episodes": (["collect", "pendulum", "--episodes", "0"], "--episodes must be at least 1; 0 came"),
    "no processes": (["collect", "pendulum", "--processes", "0"], "--processes must be at least 1; 0 came"),
    "nobody to train on": (["collect", "pendulum", "--episodes", "1"], "left to train on"),
    "a share that is none": (["collect", "pendulum", "--test-share", "1"], "must be in [0, 1); 1.0 came"),
    "a run that is none": (["collect", "pendulum", "--policy", "runs/none:cem"], "config.json does not exist"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_is_said(wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv, words = WRONG[wrong]
    assert main([*argv, "--out", str(tmp_path / "data")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_policy_for_other_images_is_refused(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collect(tmp_path / "data", "--policy", f"{tiny_run}:cem", "--size", "16") == 2
    assert "images of (32, 32, 3)" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert collect(tmp_path) == 2
    assert collect(tmp_path, "--resume") == 2
    assert "holds no data.json" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
