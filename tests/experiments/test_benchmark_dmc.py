"""The pixel-control benchmark at toy size: what it counts as a frame, what it stores, and that it goes on."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from experiments import dmc_cells, run_folder
from experiments.cli import main
from experiments.commands import benchmark_dmc
from experiments.dmc_cells import Cell, schedule
from experiments.errors import UserError
from experiments.launchers.choice import choose
from experiments.presets import PRESETS
from experiments.published_dmc import COLUMNS, PUBLISHED
from experiments.report.curves import curves
from worldmodel.replay import Replay

from .launched import play_small, small_preset

TASK = "pendulum-swingup,render=rays,repeat=100"  # ten decisions an episode


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "dmc", small_preset())


def benchmark(out: Path, *options: str) -> int:
    asked = ["--tasks", TASK, "--frames", "5k", "--episodes", "2", "--updates", "2", "--last-updates", "3"]
    return main(["benchmark", "dmc", *asked, "--out", str(out), *options])


def test_frames_are_counted_with_the_action_repeat_and_the_random_ones(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark(tmp_path) == 0
    (file,) = tmp_path.glob("*.json")
    found = json.loads(file.read_text())
    stored = Replay.open(tmp_path / file.stem / "replay").count("train")
    assert found["frames"] == 1000 * stored == 5000
    assert found["updates"] == 1 + 1 + 2 + 3
    assert [frames for frames, _ in found["curve"]] == [3000, 4000, 5000]
    assert found["config"]["model"]["reward_std"] == pytest.approx(5.0)
    assert len(found["returns"]) == len(found["actor"]["returns"]) == 2
    assert found["env"] == "dmc:" + TASK
    assert 0 < found["training_cpu_seconds"] < found["cpu_seconds"]
    out = capsys.readouterr().out
    assert "267" in out  # the best that is published
    assert f"{found['actor']['return_mean']:.0f}" in next(
        line for line in out.splitlines() if "the actor alone" in line
    )
    assert ElementTree.parse(tmp_path / "curves.svg").getroot().tag.endswith("svg")


def test_what_is_done_is_not_done_again_and_other_settings_are_other_cells(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert benchmark(tmp_path) == 0
    with monkeypatch.context() as patched:
        patched.setattr(dmc_cells, "play", lambda cell: pytest.fail("played again"))
        assert benchmark(tmp_path) == 0
    assert benchmark(tmp_path, "--seeds", "1", "--planner", "random-shooting:horizon=2,candidates=4") == 0
    assert len(list(tmp_path.glob("*.json"))) == 2
    (searched,) = tmp_path.glob("*seed1*.json")
    assert json.loads(searched.read_text())["actor"] is None


def test_a_stopped_cell_goes_on_to_the_same_numbers(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert benchmark(whole) == 0
    with monkeypatch.context() as patched:
        calls = iter(range(100))
        original = dmc_cells.Told.collected

        def interrupted(self: dmc_cells.Told, episodes: int, returns: list[float]) -> None:
            original(self, episodes, returns)
            if next(calls) == 1:
                raise KeyboardInterrupt

        patched.setattr(dmc_cells.Told, "collected", interrupted)
        assert benchmark(stopped) == 130
    assert not list(stopped.glob("*.json"))
    assert benchmark(stopped) == 0
    one, other = (json.loads(next(folder.glob("*.json")).read_text()) for folder in (whole, stopped))
    assert one["returns"] == other["returns"]
    assert one["curve"] == other["curve"]


@pytest.mark.slow  # starts Python twice, with all its packages
def test_what_one_launcher_began_another_goes_on_with(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason='submitit comes with pip install ".[slurm]"')
    whole, moved = (Cell(tmp_path / name, TASK, 0, 5000, updates=2, episodes=2) for name in ("whole", "moved"))
    with monkeypatch.context() as patched:
        patched.setattr(dmc_cells.Told, "collected", interrupt)
        with pytest.raises(KeyboardInterrupt):
            dmc_cells.play(moved)
    launcher = choose("slurm:cluster=local", None, tmp_path / "jobs")
    one, other = (result() for _, result in launcher.run(play_small, [whole, moved]))
    assert one["returns"] == other["returns"]
    assert one["curve"] == other["curve"]
    logs = "".join(file.read_text() for file in (tmp_path / "jobs").glob("*.out"))
    assert "continues after update 1 of 6" in logs


def interrupt(told: dmc_cells.Told, episodes: int, returns: list[float]) -> None:
    raise KeyboardInterrupt


def test_a_cell_that_fails_leaves_the_others_alone_and_goes_on_later(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = dmc_cells.play
    with monkeypatch.context() as patched:
        patched.setattr(dmc_cells, "play", lambda cell: 1 / cell.seed and original(cell))
        assert benchmark(tmp_path, "--seeds", "0", "1") == 1
    said = capsys.readouterr()
    assert "seed 0 failed: division by zero" in said.err
    assert "1 of 2 cells failed" in said.err
    assert "seed 1: return" in said.out
    assert benchmark(tmp_path, "--seeds", "0", "1") == 0


def test_a_cell_is_played_by_one_process_at_a_time(small: None, tmp_path: Path) -> None:
    cell = Cell(tmp_path, TASK, 0, 2000, updates=1, episodes=1)
    folder = tmp_path / cell.name
    run_folder.create(folder, cell.config)
    with run_folder.alone(folder), pytest.raises(UserError, match=r"one process at a time; another has .*seed0"):
        dmc_cells.play(cell)
    assert dmc_cells.play(cell)["frames"] == 2000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["dmc", "--launcher", "slrum"], "Did you mean 'slurm'?"),
        (["dmc", "--frames", "many"], "100k or 1M; many came"),
        (["dmc", "--frames", "1k"], "at least 2000"),
        (["dmc", "--tasks", "cartpole-swing"], "did you mean 'cartpole-swingup'"),
        (["dmc", "--updates", "0"], "--updates must be at least 1"),
        (["dmc", "--last-updates", "-1"], "--last-updates must be at least 0"),
        (["dmc", "--planner", "cme"], "Did you mean 'cem'?"),
        (["dcm"], "Did you mean 'dmc'?"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_played(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--out", str(tmp_path)] if options[0] == "dmc" else []
    assert main(["benchmark", *options, *rest]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_hundred_thousand_frames_are_a_hundred_episodes() -> None:
    assert schedule(100_000, 6) == (10, 6, 18)
    assert schedule(2_000, 6) == (1, 2, 1)
    for frames in range(2_000, 60_000, 1_000):
        seed_episodes, rounds, episodes = schedule(frames, 6)
        assert seed_episodes + (rounds - 1) * episodes == frames // 1000
        assert episodes >= 1
        assert rounds <= 6


def test_settings_follow_the_task(tmp_path: Path) -> None:
    quick, slow = (Cell(tmp_path, task, 0, 100_000).config for task in ("finger-spin", "cartpole-swingup"))
    assert (quick.collect.colour, slow.collect.colour) == (2.5, 0.25)
    assert slow.model.reward_std == pytest.approx(4 * quick.model.reward_std)
    assert (quick.paid, slow.paid) == (0.5, 0)
    longer = Cell(tmp_path, "cup-catch", 0, 100_000, updates=300, last_updates=700).config
    assert (longer.updates, longer.last_updates) == (300, 700)
    cup = Cell(tmp_path, "cup-catch", 0, 100_000).config
    assert (cup.updates, cup.last_updates) == (PRESETS["dmc"].updates, PRESETS["dmc"].last_updates)
    assert (cup.model.likelihood, cup.model.image_std, cup.explore) == ("own-units", 0.35, 0.3)
    assert (slow.model.likelihood, slow.explore) == ("gaussian", 0)
    assert (cup.actor.dropout, slow.actor.dropout) == (0.1, 0)
    assert [one.actor.orthogonal for one in (quick, cup, slow)] == [True, True, False]
    assert [one.actor.lesson for one in (quick, cup, slow)] == [500, 250, 250]  # decisions, or the preset's 250
    assert slow.collect.name == slow.planner.name == "icem+policy+value"
    learned = {"agent": slow.agent, "actor": slow.actor, "collect": slow.collect, "planner": slow.planner}
    preset = replace(PRESETS["dmc"], env=slow.env)  # that of the benchmark's first task, but for actor and critic
    assert slow == replace(preset, **learned)
    assert slow.collect == replace(preset.collect, name=slow.collect.name, horizon=8)
    assert cup.planner.horizon == cup.collect.horizon == 4
    asked = {"icem": 16, "cem+value": 4, "icem:horizon=9": 9, "icem+policy": 16}
    found = {name: Cell(tmp_path, "cup-catch", 0, 100_000, planner=name).config.collect.horizon for name in asked}
    assert found == asked  # further, where no value follows


def test_an_actor_is_learned_where_the_planner_asks_it(tmp_path: Path) -> None:
    agents = {name: Cell(tmp_path, "finger-spin", 0, 100_000, planner=name).config.agent for name in (None, "icem")}
    assert agents == {None: "slac", "icem": "planner"}
    assert Cell(tmp_path, "finger-spin", 0, 100_000, planner="cem+value").config.agent == "slac"
    assert [Cell(tmp_path, "finger-spin", 0, n).config.actor.turn for n in (100_000, 50_000)] == [2, 1]


def test_published_rows_are_whole_and_the_line_to_beat_is_known() -> None:
    assert all(len(row) == len(COLUMNS) for row in PUBLISHED.values())
    assert benchmark_dmc.known("finger-spin") == {"TD-MPC, 100k frames": 943}
    assert benchmark_dmc.known("walker-walk") == {"best known, 100k frames": 612}
    assert benchmark_dmc.known("dog-run") == {}


def test_curves_reach_from_corner_to_corner() -> None:
    drawn = curves({"a & b": [[(0, 0), (100, 1000)]]}, {"a & b": {"best": 500}}, 1000)
    root = ElementTree.fromstring(drawn)
    (line,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    assert line.attrib["points"] == "0.0,190.0 300.0,0.0"
    assert "a & b" in "".join(root.itertext())
