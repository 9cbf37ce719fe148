"""The demo with the tiny preset: one table, one file of figures, and no run lost by accident."""

import json
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.commands import demo

TINY = ["demo", "--preset", "tiny", "--episodes", "2", "--workers", "0"]


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "MOST_PROCESSES", 1)


def test_the_demo_trains_evaluates_and_says_where_to_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert main([*TINY, "--out", str(folder)]) == 0
    found = json.loads((folder / "evaluation.json").read_text())
    random, model, simulator = found["evaluations"]
    assert (random["planner"], model["planner"], simulator["planner"]) == ("random", "cem", "cem")
    assert (random["model"], model["model"], simulator["model"]) == ("none", str(folder), "simulator")
    assert found["score"] == model["score"]
    assert 0 < found["training_minutes"] < found["minutes"]
    out = capsys.readouterr().out
    for words in ("random actions", "cem on the model", "cem on the simulator", "minutes in all", "open_loop.webp"):
        assert words in out
    assert (folder / "open_loop.webp").exists()
    assert main([*TINY, "--out", str(folder), "--replace", "--seed", "1"]) == 0
    assert json.loads((folder / "config.json").read_text())["seed"] == 1


def test_a_run_is_replaced_only_if_asked_to(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--out", str(tiny_run)]) == 2
    assert "--replace" in capsys.readouterr().err
    assert (tiny_run / "checkpoint").exists()


def test_what_is_no_run_is_never_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert main([*TINY, "--out", str(tmp_path), "--replace"]) == 2
    assert "has no config.json" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").exists()
