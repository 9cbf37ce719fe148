"""`worldmodel compare`: cells that survive being killed, the same numbers however they came about, errors."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments import cells
from experiments.budget import parse_budget
from experiments.cli import main
from experiments.compare import Request, compare
from experiments.config import PlannerConfig
from experiments.evaluate import evaluate
from worldmodel.checkpoint import newest

FEW = ["--planners", "cem", "ilqr", "--budget", "steps=300", "--episodes", "2"]


def request(run: Path, **changes: object) -> Request:
    values = {"planners": ("cem", "icem"), "budgets": (parse_budget("steps=300"),), "episodes": 2, "seeds": (0, 1)}
    return Request(runs=(run,), **(values | changes))  # type: ignore[arg-type]


def silent(line: str) -> None:
    pass


def test_the_command_writes_table_json_and_page(run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    json_file, html_file = tmp_path / "c.json", tmp_path / "c.html"
    words = ["compare", str(run_copy), *FEW, "--budget", "steps=60", "--json", str(json_file), "--html", str(html_file)]
    assert main(words) == 0
    said = capsys.readouterr().out
    content = json.loads(json_file.read_text())
    assert [(row["planner"], row["budget"]) for row in content["rows"]] == [
        ("cem", "steps=300"),
        ("ilqr", "steps=300"),
        ("cem", "steps=60"),
    ]
    assert all(240 < row["model_steps"] <= 300 for row in content["rows"][:1])
    assert "too small for ilqr" in content["left_out"][0]
    assert "left out" in said
    assert "left" in said
    assert "ilqr" in html_file.read_text()


def test_returns_are_those_of_evaluate(run_copy: Path) -> None:
    found = compare(request(run_copy, planners=("cem",), seeds=(3,)), say=silent).rows[0]
    same = evaluate(run_copy, PlannerConfig("cem", **found.settings), episodes=2, seed=3)
    assert found.returns == same.returns


def test_finished_cells_are_not_played_again(run_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = request(run_copy, seeds=(0,))
    first = compare(wanted, say=silent)
    played: list[cells.Cell] = []
    monkeypatch.setattr(cells, "play", lambda cell: played.append(cell))
    assert compare(wanted, say=silent).rows == first.rows
    assert played == []


def test_any_number_of_workers_plays_the_same(run_copy: Path) -> None:
    few = request(run_copy, planners=("cem",))
    alone = compare(few, say=silent)
    for path in (run_copy / cells.FOLDER).glob("cem-seed*.json"):
        path.unlink()
    with ThreadPoolExecutor(2) as pool:  # the command's are processes, which cost seconds to start
        assert compare(few, pool, 2, say=silent).rows == alone.rows


def test_only_what_is_new_is_played(run_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(request(run_copy, planners=("cem",), seeds=(0,)), say=silent)
    play, played = cells.play, list[cells.Cell]()
    monkeypatch.setattr(cells, "play", lambda cell: (played.append(cell), play(cell))[1])
    compare(request(run_copy, planners=("cem",)), say=silent)
    assert [(cell.planner.name, cell.seed) for cell in played] == [("cem", 1)]


def test_cells_of_other_weights_or_torn_ones_are_played_again(run_copy: Path) -> None:
    cell = cells.Cell(run_copy, PlannerConfig("cem", 3, 1, 8, 2), 0, 1)
    outcome = cells.play(cell)
    assert cells.read(cell) == outcome
    path = cells.path_of(cell)
    path.write_bytes(path.read_bytes()[:50])
    assert cells.read(cell) is None
    cells.write(cell, outcome)
    assert cells.read(cell) == outcome
    weights = newest(run_copy / "checkpoint") / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert cells.read(cell) is None


def test_a_killed_comparison_goes_on_to_the_same_numbers(tiny_run: Path, run_copy: Path) -> None:
    wanted = request(run_copy, planners=("cem", "icem"))
    words = [sys.executable, "-m", "experiments.cli", "compare", str(run_copy), "--planners", *wanted.planners]
    words += ["--budget", "steps=300", "--episodes", "2", "--seeds", "0", "1"]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    folder = run_copy / cells.FOLDER
    while not list(folder.glob("*-seed*.json")):
        assert child.poll() is None
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*-seed*.json")}
    assert 0 < len(before) < 4
    found = compare(wanted, say=silent)
    assert len(list(folder.glob("*-seed*.json"))) == 4
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())
    next(iter(before)).unlink()
    assert compare(wanted, say=silent).rows == found.rows  # what was played before the kill is what is played here


def test_the_ladder_is_climbed_by_the_best(run_copy: Path) -> None:
    found = compare(request(run_copy, seeds=(0,), ladder=True), say=silent)
    best = next(row.planner for row in found.rows if row.versus is None)
    ladder = found.ladders[str(run_copy)]
    assert ladder.planner.startswith(best)
    assert ladder.returns["learned"] == next(row.returns for row in found.rows if row.versus is None)
    assert set(ladder.probe) == {"latent of true state", "true state of latent"}


def test_without_its_episodes_a_run_is_compared_and_does_not_climb(
    run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.rmtree(run_copy / "replay")
    json_file, html_file = tmp_path / "c.json", tmp_path / "c.html"
    words = ["compare", str(run_copy), *FEW, "--ladder", "--json", str(json_file), "--html", str(html_file)]
    assert main(words) == 0
    content = json.loads(json_file.read_text())
    assert [row["planner"] for row in content["rows"]] == ["cem", "ilqr"]
    assert content["ladders"] == {}
    (said,) = content["left_out"]
    assert said.startswith(f"{run_copy} does not climb the ladder.")
    assert "replay" in said
    assert "does not climb the ladder" in html_file.read_text()
    assert said in capsys.readouterr().out


def test_planners_that_nobody_named_are_left_out_where_they_cannot_be_used(
    discrete_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = shutil.copytree(discrete_run, tmp_path / "run")
    few = ["--budget", "steps=60", "--episodes", "1"]
    assert main(["compare", str(run), *few, "--json", str(tmp_path / "c.json")]) == 0
    content = json.loads((tmp_path / "c.json").read_text())
    assert [row["planner"] for row in content["rows"]] == ["random-shooting", "cem", "icem", "mppi"]
    assert content["left_out"] == [f"ilqr and gradient on {run}: they follow slopes, and its actions are discrete."]
    capsys.readouterr()
    assert main(["compare", str(run), *few, "--planners", "cem", "ilqr"]) == 2
    assert "planner ilqr cannot be set up so. ILQR: actions must be continuous" in capsys.readouterr().err


def test_one_that_nobody_named_and_that_fits_no_budget_is_left_out(run_copy: Path) -> None:
    found = compare(request(run_copy, planners=(), budgets=(parse_budget("steps=60"),), episodes=1), say=silent)
    assert [row.planner for row in found.rows] == ["random-shooting", "cem", "icem", "mppi", "gradient"]
    (said,) = found.left_out
    assert "too small for ilqr" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--planners", "cme"], "Did you mean 'cem'"),
        (["--budget", "20000"], "steps=NUMBER"),
        (["--budget", "steps=2"], "too small for"),
        (["--episodes", "0"], "--episodes must be at least 1"),
    ],
)
def test_mistakes_are_said_in_a_sentence(
    tiny_run: Path, words: list[str], says: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["compare", str(tiny_run), *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", [["compare"], ["compare", "--planners", "cem"]])
def test_a_run_is_needed(words: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(words) == 2
    assert "worldmodel compare RUN" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["compare", str(tmp_path), *FEW]) == 2
    assert "config.json" in capsys.readouterr().err
