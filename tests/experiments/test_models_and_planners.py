"""The benchmark of models and planners once over, with a model that learns nothing."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import models_and_planners as benchmark
from experiments.run_folder import read_config
from worldmodel.data_folder import open_folder
from worldmodel.replay import Replay


def test_cells_are_made_once(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = benchmark.Arguments(tiny_run, tmp_path, ("planet",), ("cem",), "tiny", rounds=1, updates=1, episodes=2)
    benchmark.main(arguments)
    data = open_folder(tmp_path / "data")
    assert data.episodes == Replay.open(tiny_run / "replay").count("train")
    assert read_config(tmp_path / "planet").data.path == str(tmp_path / "data")
    assert sorted(file.name for file in tmp_path.glob("*.json")) == [
        f"planet-{what}.json" for what in ("ahead", "cem", "train")
    ]
    row = capsys.readouterr().out.splitlines()[-2].split()
    assert row[0] == "planet"
    assert "-" not in row
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    benchmark.main(arguments)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_errors_are_averaged_over_starts_and_then_rooted() -> None:
    squares = np.array([[0.0, 0.5, np.nan], [0.02, 0.5, 0.09]])
    assert benchmark.by_horizon(squares) == pytest.approx([0.1, 0.5**0.5, 0.3])
