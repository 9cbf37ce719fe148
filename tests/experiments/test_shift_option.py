"""Runs whose encoder sees shifted pictures: a stopped one goes on to the bit, and what cannot be shifted is said."""

from pathlib import Path

import pytest

from experiments.cli import main
from experiments.metrics import read
from tests.experiments.conftest import TINY

from .equal_runs import assert_equal_runs
from .stopped_run import whole_and_stopped

SHIFT = [*TINY, "--shift", "2"]


@pytest.fixture(autouse=True)
def no_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.commands.train.write_video", lambda model, config, folder: folder / "none")


def test_a_stopped_run_that_shifts_goes_on_to_the_bit_and_is_not_the_plain_one(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = whole_and_stopped(SHIFT, tmp_path, monkeypatch)
    assert_equal_runs(stopped, whole)
    shifted, plain = (
        next(line["image"] for line in read(run / "metrics.jsonl") if "image" in line) for run in (whole, tiny_run)
    )
    assert shifted != plain


@pytest.mark.parametrize("pixels", ["-1", "8"])
def test_no_picture_is_shifted_out_of_sight(pixels: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny", "--size", "16", "--shift", pixels, "--out", str(tmp_path / "run")]) == 2
    words = f"--shift must be at least 0 and below 8, half of the pictures' side; {pixels} came"
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
