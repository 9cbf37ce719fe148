"""How many updates the rounds of a run have."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from experiments import train as training
from experiments.cli import main
from experiments.config import DataSource, TrainConfig
from experiments.metrics import read
from experiments.presets import PRESETS
from experiments.schedule import round_of, updates_before
from tests.experiments.conftest import TINY

from .equal_runs import assert_equal_runs
from .test_train_command import fail_at

TWELVE = replace(PRESETS["tiny"], seed_episodes=2, rounds=12, episodes=5, updates=100)


def sizes(config: TrainConfig) -> list[int]:
    return [after - before for before, after in pairwise(updates_before(config, at) for at in range(config.rounds + 1))]


def test_rounds_are_even_or_grow_with_the_episodes_that_they_have() -> None:
    assert sizes(TWELVE) == [100] * 12
    growing = sizes(replace(TWELVE, pace="data"))
    assert sum(growing) == 1200
    episodes = [2, 2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52]
    for number, has in zip(growing, episodes, strict=True):
        assert number == pytest.approx(1200 * has / sum(episodes), abs=1)


def test_rounds_of_a_data_folder_are_even_whatever_the_pace() -> None:
    data = DataSource("", (16, 16, 1), 1, 1, False, "")
    assert sizes(replace(TWELVE, pace="data", data=data)) == [100] * 12


@pytest.mark.parametrize("pace", ["even", "data"])
def test_every_update_belongs_to_the_round_that_it_was_made_in(pace: str) -> None:
    config = replace(TWELVE, pace=pace)
    expected = [at for at, number in enumerate(sizes(config), 1) for _ in range(number)]
    assert [round_of(config, update) for update in range(1, 1201)] == expected
    assert (round_of(config, 0), round_of(config, 1300)) == (1, 12)


def test_a_stopped_run_of_growing_rounds_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.commands.train.write_video", lambda model, config, folder: folder / "none")
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    growing = [*TINY, "--pace", "data"]
    assert main([*growing, "--out", str(whole)]) == 0
    with monkeypatch.context() as patched:
        fail_at(patched, training, "update", 10, KeyboardInterrupt())
        assert main([*growing, "--out", str(stopped)]) == 130
    assert main(["train", "tiny", "--workers", "0", "--resume", "--out", str(stopped)]) == 0
    assert_equal_runs(stopped, whole)
    config = replace(PRESETS["tiny"], pace="data")
    ends = [updates_before(config, at) for at in range(1, config.rounds + 1)]
    assert set(ends) <= {line["updates"] for line in read(whole / "metrics.jsonl")}
