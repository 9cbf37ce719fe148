"""Rounds that begin afresh: new weights, all episodes so far, an own learning rate, and stops that cost nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from experiments import train as training
from experiments.cli import main
from experiments.metrics import read
from experiments.presets import PRESETS
from experiments.schedule import round_updates, updates_before
from tests.experiments.conftest import TINY
from worldmodel.checkpoint import load_progress, newest

from .equal_runs import assert_equal_runs
from .stopped_run import whole_and_stopped

AFRESH = [*TINY, "--afresh", "--updates", "8"]  # 3, 4, 6, 8 updates from 2, 4, 6, 8 episodes


@pytest.fixture(autouse=True)
def no_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.commands.train.write_video", lambda model, config, folder: folder / "none")


def test_updates_are_in_proportion_to_the_episodes_but_at_least_a_third_and_the_last_round_has_all() -> None:
    config = replace(PRESETS["dmc"], rounds=6, episodes=18, seed_episodes=10, updates=1800, last_updates=0)
    assert [round_updates(config, number) for number in range(6)] == [600, 600, 828, 1152, 1476, 1800]
    assert updates_before(config, 6) == 6456
    assert updates_before(replace(config, afresh=False), 6) == 6 * 1800
    assert round_updates(replace(config, updates=1), 0) == 1
    longer = replace(config, last_updates=5000)
    assert [round_updates(longer, number) for number in range(6)] == [600, 600, 828, 1152, 1476, 5000]


class Seen(NamedTuple):
    """Of one update, before it is made."""

    rate: float
    momenta: bool
    weights: torch.Tensor


def test_each_round_has_new_weights_a_new_optimiser_and_a_whole_cosine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, update = list[Seen](), training.update

    def watched(model: Any, optimizer: torch.optim.Optimizer, *rest: Any) -> Any:
        rate = max(group["lr"] for group in optimizer.param_groups)
        weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        seen.append(Seen(rate, bool(optimizer.state), weights))
        return update(model, optimizer, *rest)

    monkeypatch.setattr(training, "update", watched)
    assert main([*AFRESH, "--out", str(tmp_path / "run")]) == 0
    firsts, rate = [0, 3, 7, 13], PRESETS["tiny"].learning_rate
    assert len(seen) == 21
    assert [number for number, one in enumerate(seen) if not one.momenta] == firsts
    assert [number for number, one in enumerate(seen) if one.rate == pytest.approx(rate)] == firsts
    falling = [seen[number].rate for number in range(13, 21)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 0.15 * rate
    spread = min(float((seen[a].weights - seen[b].weights).std()) for a in firsts for b in firsts if a < b)
    assert spread > 10 * float((seen[14].weights - seen[13].weights).std())  # strangers, not one another's next step


def test_the_last_round_learns_from_the_episodes_it_collects(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*AFRESH, "--out", str(run)]) == 0
    told = [(line["updates"], line["episodes"]) for line in read(run / "metrics.jsonl") if "returns" in line]
    assert told == [(7, 4), (13, 6), (21, 8)]  # logged once they are learned from
    assert load_progress(newest(run / "checkpoint"))["episodes"] == 8


@pytest.mark.parametrize("options", [[], ["--explore", "0.5", "--agent", "actor-critic"]], ids=["model", "all"])
def test_a_stopped_run_goes_on_to_the_bit(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = whole_and_stopped([*AFRESH, *options], tmp_path, monkeypatch)
    assert_equal_runs(stopped, whole)
    said = capsys.readouterr()
    assert "Go on from update 7 with" in said.err
    assert "continues after update 7 of 21" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--last-updates", "5"], "--last-updates is for runs whose last round begins afresh; 5 came"),
        (["--afresh", "--last-updates", "-1"], "--last-updates must be at least 0"),
    ],
)
def test_a_number_of_its_own_is_for_a_last_round_that_begins_afresh(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, *words, "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err


def test_the_last_round_may_be_longer(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*AFRESH, "--last-updates", "11", "--out", str(run)]) == 0
    assert load_progress(newest(run / "checkpoint"))["updates"] == 3 + 4 + 6 + 11


def test_offline_there_is_nothing_to_begin_afresh(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    words = ["collect", "pendulum", "--size", "32", "--episodes", "3", "--policy", "random", "--out", str(data)]
    assert main(words) == 0
    assert main(["train", "tiny", "--data", str(data), "--afresh", "--out", str(out)]) == 2
    assert "with --data nothing is collected" in capsys.readouterr().err
    assert not out.exists()


def test_a_preset_that_begins_afresh_learns_from_data_too(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", replace(PRESETS["tiny"], afresh=True, last_updates=9))
    data, out = tmp_path / "data", tmp_path / "run"
    assert main(["data", "import", str(tiny_run), "--out", str(data)]) == 0
    assert main(["train", "tiny", "--data", str(data), "--out", str(out)]) == 0
    assert load_progress(newest(out / "checkpoint"))["updates"] == PRESETS["tiny"].rounds * PRESETS["tiny"].updates
