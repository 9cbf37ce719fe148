"""Evaluation: what the numbers mean, and that they depend on nothing but the run, the planner and the seed."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from experiments import reference, shards
from experiments.cli import main
from experiments.config import PlannerConfig
from experiments.evaluate import evaluate, interval, named_planner, score
from experiments.shards import Shard, play, play_all, processes

SCHEMA = {
    "env": str,
    "model": str,
    "planner": str,
    "episodes": int,
    "seed": int,
    "returns": list,
    "return_mean": float,
    "return_low": float,
    "return_high": float,
    "score": float,
    "reference": float,
    "random": float,
    "decision_ms": float,
}
FAST = ["--processes", "1", "--device", "cpu"]


def evaluated(run: Path, file: Path, *options: str) -> dict:
    assert main(["evaluate", str(run), "--json", str(file), *FAST, *options]) == 0
    return json.loads(file.read_text())


def test_the_json_has_what_others_read(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(tiny_run, tmp_path / "e.json", "--planner", "cem", "--episodes", "3", "--seed", "5")
    for name, kind in SCHEMA.items():
        assert isinstance(found[name], kind), name
    assert (found["env"], found["planner"], found["episodes"], found["seed"]) == ("pendulum", "cem", 3, 5)
    assert found["model"] == str(tiny_run)
    assert len(found["returns"]) == 3
    assert found["return_mean"] == pytest.approx(np.mean(found["returns"]))
    assert found["return_low"] <= found["return_mean"] <= found["return_high"]
    assert found["decision_ms"] > 0
    assert found["score"] == pytest.approx(
        (found["return_mean"] - found["random"]) / (found["reference"] - found["random"])
    )
    out = capsys.readouterr().out
    assert out.startswith("device: cpu")
    assert f"{found['return_mean']:.2f}" in out


def test_the_planner_and_its_numbers_are_chosen(tiny_run: Path, tmp_path: Path) -> None:
    own = evaluated(tiny_run, tmp_path / "e.json", "--episodes", "1")
    assert (own["planner"], own["settings"]["candidates"]) == ("cem", 8)
    options = ["--planner", "icem", "--episodes", "1", "--horizon", "2", "--candidates", "4", "--elites", "2"]
    other = evaluated(tiny_run, tmp_path / "e.json", *options)
    assert other["planner"] == "icem"
    assert other["settings"] == {"horizon": 2, "candidates": 4, "elites": 2, "discount": 1.0}
    short = ["--planner", "icem:horizon=2,candidates=4,elites=2", "--episodes", "1"]  # as `compare` takes them
    assert evaluated(tiny_run, tmp_path / "e.json", *short)["settings"] == other["settings"]


def test_on_the_simulator_the_model_plays_no_part(tiny_run: Path, tmp_path: Path) -> None:
    options = ["--on", "simulator", "--episodes", "2", "--horizon", "12", "--candidates", "64", "--elites", "8"]
    found = evaluated(tiny_run, tmp_path / "e.json", *options)
    assert found["model"] == "simulator"
    assert found["return_mean"] > 30  # the untrained model gets 3


def test_random_actions_need_no_model(tiny_run: Path, tmp_path: Path) -> None:
    found = evaluated(tiny_run, tmp_path / "e.json", "--planner", "random", "--episodes", "15")
    assert found["model"] == "none"
    assert abs(found["score"]) < 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--planner", "cme"], "Did you mean 'cem'?"),
        (["--episodes", "0"], "--episodes must be at least 1"),
        (["--planner", "ilqr", "--candidates", "4"], "The planner ilqr has no such setting"),
        (["--device", "cuda"], "--device cuda needs a CUDA device"),
    ],
)
def test_what_cannot_be_evaluated_is_said(
    tiny_run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["evaluate", str(tiny_run), "--processes", "1", *options]) == 2
    assert words in capsys.readouterr().err


def test_returns_do_not_depend_on_the_number_of_processes(tiny_run: Path) -> None:
    planner = PlannerConfig("cem", 2, candidates=4, iterations=1, elites=2)
    with processes(2) as pool:
        beside = evaluate(tiny_run, planner, episodes=7, seed=1, where="cpu", pool=pool, processes=2)
    alone = evaluate(tiny_run, planner, episodes=7, seed=1, where="cpu")
    assert beside.returns == alone.returns
    assert (beside.processes, alone.processes) == (2, 1)
    assert evaluate(tiny_run, planner, episodes=7, seed=2, where="cpu").returns != alone.returns


def test_more_episodes_begin_with_the_same_ones() -> None:
    whole = Shard("pendulum", 16, None, PlannerConfig("random"), seed=3, first=0, episodes=12)
    returns = play_all(whole).returns
    assert len(returns) == 12
    assert returns[:10] == play_all(whole._replace(episodes=10)).returns
    assert returns[5:10] == play(whole._replace(first=5, episodes=5)).returns


def test_shards_cover_each_episode_once() -> None:
    whole = Shard("pendulum", 16, None, PlannerConfig("random"), seed=3, first=0, episodes=12)
    pieces = shards.shards(whole)
    assert [(piece.first, piece.episodes) for piece in pieces] == [(0, 5), (5, 5), (10, 2)]


def test_evaluation_episodes_start_at_seeds_of_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []
    original = shards.run_episode
    monkeypatch.setattr(shards, "run_episode", lambda *a: seeds.append(a[3]) or original(*a))
    play_all(Shard("planar", 16, None, PlannerConfig("random"), seed=0, first=0, episodes=6))
    assert all(seed >= 2**31 for seed in seeds)
    assert seeds[1] == seeds[0] + 5


def test_the_interval_covers_the_mean_of_normal_returns() -> None:
    """95 % intervals of 30 numbers hold the true mean about 95 times in 100; and 1.96 s/√n is their half width."""
    draws = np.random.default_rng(0).normal(50, 4, (60, 30))
    bounds = np.array([interval(row.tolist()) for row in draws])
    covered = ((bounds[:, 0] < 50) & (bounds[:, 1] > 50)).mean()
    assert 0.85 <= covered <= 1
    assert np.diff(bounds).mean() / 2 == pytest.approx(1.96 * 4 / np.sqrt(30), rel=0.1)


def test_the_interval_of_equal_returns_is_a_point() -> None:
    assert interval([3.0, 3.0]) == (3.0, 3.0)
    assert interval([3.0]) == (3.0, 3.0)


def test_the_score_is_zero_for_random_and_one_for_the_reference() -> None:
    known = reference.read()["pendulum"]
    assert score(known.random, known) == 0
    assert score(known.reference, known) == 1
    assert score(5.0, None) is None


def test_another_planner_looks_as_far_ahead_as_the_runs_own() -> None:
    own = PlannerConfig("cem", 17, candidates=33, discount=0.9)
    assert named_planner("cem", own) == own
    assert named_planner("ilqr", own) == PlannerConfig("ilqr", 17, discount=0.9)


def test_references_of_all_tasks_are_stored_and_belong_to_them() -> None:
    stored = reference.read()
    for env in ("pendulum", "pendulum-balance", "cartpole", "cartpole-balance", "planar"):
        assert reference.matches(stored[env].task, reference.fingerprint(env)), env
        assert stored[env].reference > stored[env].random + 10 * stored[env].standard_error
        assert stored[env].command.startswith(f"worldmodel reference {env}")
        planner = stored[env].planner
        assert (planner["candidates"], planner["iterations"], planner["elites"]) == (1000, 10, 100)


def test_a_changed_task_has_no_reference_until_it_is_computed(
    tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = reference.read()["pendulum"]
    rewards = [known.task["rewards"][0] + 0.01, *known.task["rewards"][1:]]
    file = tmp_path / "references.json"
    reference.store(replace(known, task=known.task | {"rewards": rewards}), file)
    assert reference.reference_for("pendulum", file) is None
    monkeypatch.setattr(reference, "reference_for", lambda env: None)
    monkeypatch.setattr("experiments.evaluate.reference_for", lambda env: None)
    found = evaluated(tiny_run, tmp_path / "e.json", "--planner", "random", "--episodes", "1")
    assert found["score"] is None
    assert "worldmodel reference pendulum" in capsys.readouterr().out


def test_the_reference_command_plays_and_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = PlannerConfig("cem", 2, candidates=4, iterations=1, elites=2)
    monkeypatch.setattr(reference, "reference_planner", lambda horizon: replace(quick, horizon=horizon))
    monkeypatch.setattr(reference, "HORIZONS", (1, 2))
    monkeypatch.setattr(reference, "CHOOSING_EPISODES", 2)
    file = tmp_path / "references.json"
    command = ["reference", "planar", "--episodes", "2", "--random-episodes", "3", "--file", str(file)]
    assert main(command) == 0
    first = reference.read(file)["planar"]
    assert first.command.split()[1:3] == ["reference", "planar"]
    assert main([*first.command.split()[1:], "--file", str(file)]) == 0  # the stored command gives the stored numbers
    assert asdict(reference.read(file)["planar"]) == asdict(first)
