"""Data whose actions are choices: collected, looked at, exported and imported, learned from, planned with."""

from pathlib import Path

import numpy as np
import pytest

from experiments.cli import main
from experiments.run_folder import read_config
from worldmodel.data_folder import open_folder

CARTPOLE = "gym:CartPole-v1"
CEM = "cem:candidates=6,elites=2,iterations=1,horizon=2"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "cartpole"
    assert main(["collect", CARTPOLE, "--episodes", "8", "--size", "32", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def exported(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npz") / "cartpole"
    assert main(["data", "export", str(data), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def offline_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "cartpole"
    assert main(["train", "tiny", "--env", CARTPOLE, "--data", str(data), "--length", "6", "--out", str(folder)]) == 0
    return folder


def test_what_is_stored_is_called_choices(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", str(data), "--thumbnails", str(tmp_path / "sheet.png")]) == 0
    assert "2 choices and 4 state dimensions" in capsys.readouterr().out
    for episode in open_folder(data).train.episodes("train"):
        assert set(map(tuple, episode.action[1:].tolist())) <= {(0, 1), (1, 0)}
    assert main(["doctor", str(data)]) == 0
    assert "every row shows a new frame" in capsys.readouterr().out


@pytest.mark.parametrize("said", [[], ["--env", CARTPOLE]], ids=["found out", "said"])
def test_out_and_in_again_they_are_still_choices(
    data: Path, exported: Path, tmp_path: Path, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "import", str(exported), "--out", str(tmp_path / "data"), *said]) == 0
    again = open_folder(tmp_path / "data")
    assert again.about.discrete
    assert again.fingerprint == open_folder(data).fingerprint


def test_imported_choices_are_learned_as_such(exported: Path, tmp_path: Path) -> None:
    assert main(["data", "import", str(exported), "--out", str(tmp_path / "data")]) == 0
    train = ["train", "tiny", "--data", str(tmp_path / "data"), "--length", "6", "--rounds", "1"]
    assert main([*train, "--env", CARTPOLE, "--out", str(tmp_path / "run")]) == 0
    stored = read_config(tmp_path / "run").data
    assert stored is not None
    assert stored.discrete


def test_numbers_are_no_choices(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (exported / "train").iterdir():
        with np.load(path) as stored:
            fields = dict(stored)
        fields["action"] = np.float32(0.5) * fields["action"]
        np.savez(tmp_path / path.name, **fields)
    argv = ["data", "import", str(tmp_path), "--out", str(tmp_path / "data")]
    assert main([*argv, "--env", CARTPOLE]) == 2
    assert "must have 2 choices; that in" in capsys.readouterr().err
    assert main(argv) == 0
    assert not open_folder(tmp_path / "data").about.discrete
    assert main(["train", "tiny", "--data", str(tmp_path / "data"), "--env", CARTPOLE]) == 2
    assert "has 2 action dimensions. Choices are stored as one-hot" in capsys.readouterr().err


def test_numbers_of_the_choices_are_refused_with_what_to_do(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((exported / "train").iterdir())
    with np.load(path) as stored:
        fields = dict(stored)
    fields["action"] = fields["action"].argmax(axis=1)
    np.savez(tmp_path / path.name, **fields)
    assert main(["data", "import", str(tmp_path), "--out", str(tmp_path / "data")]) == 2
    assert "Write choices as one-hot, numpy.eye(count)[action]" in capsys.readouterr().err


def test_planners_choose_with_a_model_that_learned_offline(
    offline_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(offline_run), "--planner", "cem", "--episodes", "2", "--processes", "1"]) == 0
    assert main(["evaluate", str(offline_run), "--planner", "ilqr", "--episodes", "2"]) == 2
    assert "actions must be continuous" in capsys.readouterr().err
    compare = ["compare", str(offline_run), "--planners", "random-shooting", "cem", "--budget", "steps=24"]
    assert main([*compare, "--episodes", "2", "--html", str(tmp_path / "page.html")]) == 0
    assert "random-shooting" in (tmp_path / "page.html").read_text()
    assert main(["doctor", str(offline_run)]) in (0, 3)  # a model of 16 updates need not be healthy
    assert "the decoder shows what moves" in capsys.readouterr().out


def test_a_planner_collects_choices_some_of_them_at_random(offline_run: Path, tmp_path: Path) -> None:
    collect = ["collect", CARTPOLE, "--policy", f"{offline_run}:{CEM}", "--episodes", "4", "--test-share", "0"]
    for name, noise in (("sure", "0"), ("unsure", "1")):
        assert main([*collect, "--action-noise", noise, "--out", str(tmp_path / name)]) == 0
    sure, unsure = (list(open_folder(tmp_path / name).train.episodes("train")) for name in ("sure", "unsure"))
    assert (sure[0].action[1] == unsure[0].action[1]).all()  # the first of a batch is spared the noise
    assert {row for episode in unsure for row in map(tuple, episode.action[1:].tolist())} == {(0, 1), (1, 0)}
    assert any(
        one.rows != other.rows or (one.action != other.action).any()
        for one, other in zip(sure[1:], unsure[1:], strict=True)
    )
