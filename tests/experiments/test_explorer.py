"""Runs that explore: who does in a round, what is learned for it, and that a stopped one goes on to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.cli import main
from experiments.explorer import exploring
from experiments.metrics import read
from experiments.presets import PRESETS
from planners.objective import LearnedReward
from tests.experiments.conftest import TINY
from tests.planners.toys import point_mass
from worldmodel.checkpoint import newest
from worldmodel.disagreement import Ensemble
from worldmodel.replay import Replay

from .equal_runs import assert_equal_runs
from .stopped_run import whole_and_stopped

EXPLORE = [*TINY, "--explore", "0.5"]


@pytest.fixture(autouse=True)
def no_videos(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.commands.train.write_video", lambda model, config, folder: folder / "none")


def test_the_first_of_a_round_does_not_explore_the_last_does_and_the_end_of_a_run_least() -> None:
    toy, config = point_mass(), replace(PRESETS["tiny"], explore=0.8, rounds=10, episodes=3)
    weights = [
        exploring(config, LearnedReward(toy), Ensemble(toy.sizes), number, slice(None)).weight for number in (0, 5, 9)
    ]
    torch.testing.assert_close(torch.stack(weights), torch.tensor([[0, 0.4, 0.8], [0, 0.2, 0.4], [0, 0.04, 0.08]]))


def test_a_run_that_explores_learns_what_is_surprising_and_leaves_the_model_alone(
    tiny_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert main([*EXPLORE, "--out", str(run)]) == 0
    told = [line for line in read(run / "metrics.jsonl") if "ensemble_error" in line]
    assert all(line["ensemble_error"] > 0 and line["disagreement"] > 0 for line in told)
    assert len(told) == 4
    assert (newest(run / "checkpoint") / "ensemble.safetensors").exists()
    mine, theirs = (list(Replay.open(folder / "replay").episodes("train")) for folder in (run, tiny_run))
    for same in (0, 1, 2):  # random ones, and that of the first round which does not explore
        np.testing.assert_array_equal(mine[same].action, theirs[same].action)
    assert not np.array_equal(mine[3].action, theirs[3].action)


def test_a_stopped_run_that_explores_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = whole_and_stopped(EXPLORE, tmp_path, monkeypatch)
    assert_equal_runs(stopped, whole)
    ensembles = [(newest(run / "checkpoint") / "ensemble.safetensors").read_bytes() for run in (stopped, whole)]
    assert ensembles[0] == ensembles[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--explore", "-1"], "--explore must be at least 0; -1.0 came"),
        (["--explore", "1", "--agent", "actor-critic", "--actor.collector", "policy"], "collected by the actor"),
    ],
)
def test_what_cannot_explore_is_said(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tiny", *options, "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_nobody_explores_where_all_there_is_is_a_data_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert main(["collect", "pendulum", "--episodes", "2", "--test-share", "0", "--out", str(data)]) == 0
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "tiny", "--data", str(data), "--explore", "1", *out]) == 2
    assert "--data is all there is" in capsys.readouterr().err
