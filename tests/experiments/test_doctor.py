"""`worldmodel doctor`: exit codes, what it prints, and that data of three built-in tasks is healthy."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments import doctor
from experiments.cli import main
from tests.worldmodel.diagnosis.planted import shifted
from worldmodel.data_folder import create, open_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "planar"
    assert main(["collect", "planar", "--episodes", "16", "--out", str(folder)]) == 0
    return folder


def test_healthy_data_is_called_healthy(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(data), "--json", str(tmp_path / "findings.json")]) == 0
    out = capsys.readouterr().out
    assert "Healthy in 6 questions." in out
    assert "14 of 14 episodes, 574 of 574 rows" in out
    assert all(len(line) <= 80 for line in out.splitlines()[1:-1])
    assert {one["verdict"] for one in json.loads((tmp_path / "findings.json").read_text())} == {"healthy"}


def test_a_fault_has_an_exit_code_of_its_own(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = open_folder(data)
    about = type(stored.about)(**vars(stored.about) | {"test_share": 0.0, "rows": 700, "test_rows": 0})
    sick = create(tmp_path / "sick", about)
    for episode in shifted(list(stored.train.episodes("train")), 1):
        sick.add(episode)
    assert main(["doctor", str(sick.folder)]) == 3
    out = capsys.readouterr().out
    assert "FAULT" in out
    assert "Move all actions 1 row earlier" in out
    assert out.splitlines()[-1] == "1 fault in 6 questions."


def test_a_run_is_asked_about_its_model_too(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sixteen updates teach nothing, and the doctor says so."""
    assert main(["doctor", str(tiny_run)]) == 3
    out = capsys.readouterr().out
    assert "the posterior has not collapsed" in out
    assert "blind to what moves" in out


@pytest.mark.parametrize("task", ["pendulum", "cartpole"])
def test_other_tasks_are_healthy_too(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", task, "--episodes", "8", "--out", str(tmp_path / task)]) == 0
    assert main(["doctor", str(tmp_path / task)]) == 0
    assert "Healthy in 6 questions." in capsys.readouterr().out


def test_no_more_is_looked_at_than_needed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ROWS", 200)
    monkeypatch.setattr(doctor, "LEAST_EPISODES", 2)
    patient = doctor.admit(data)
    assert 2 <= len(patient.episodes) <= 5
    starts = [episode.state[0] for episode in patient.episodes]
    assert len(np.unique(starts, axis=0)) == len(starts)


def test_what_is_neither_data_nor_a_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path)]) == 2
    assert "worldmodel collect" in capsys.readouterr().err


def test_a_run_whose_replay_was_deleted_is_said(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run_copy / "replay")
    assert main(["doctor", str(run_copy)]) == 1
    assert "A replay folder holds replay.json" in capsys.readouterr().err
