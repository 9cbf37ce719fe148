"""A run killed at any moment and resumed is the run that was never stopped, to the bit."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments import run_folder
from experiments.config import PlannerConfig, TrainConfig
from experiments.presets import preset
from experiments.start import start
from experiments.train import train
from tests.worldmodel.kills import Say, killed_during, run_apart
from worldmodel.checkpoint import newest

from .equal_runs import assert_equal_runs

LAZY = PlannerConfig("cem", 2, candidates=2, iterations=1, elites=1)
CONFIG = replace(preset("tiny"), updates=3, batch=2, length=4, collect=LAZY)
AGENT = replace(CONFIG, agent="actor-critic")
KILLS = ((0, 0.03), (1, 0.0), (2, 0.002), (2, 0.1), (3, 0.005))
"""After how many rounds of updates, and how many seconds later: while collecting, adding, saving."""


class Saying:
    """Progress that says its number after each round's updates."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def updated(self, updates: int, losses: dict[str, float]) -> None:
        self._say(updates)

    def collected(self, episodes: int, returns: list[float]) -> None:
        """Said by `updated`."""


def go_on(folder: Path, say: Say, config: TrainConfig = CONFIG) -> None:
    torch.set_num_threads(1)
    if not folder.exists():
        run_folder.create(folder, config)
    train(start(config, folder, torch.device("cpu")), Saying(say), workers=0)


def kill_and_compare(folder: str) -> None:
    whole = Path(folder) / "whole"
    go_on(whole, lambda _: None)
    for after, delay in KILLS:
        killed = Path(folder) / f"killed-{after}-{delay}"
        run_folder.create(killed, CONFIG)
        said = killed_during(lambda say, killed=killed: go_on(killed, say), after, delay)
        go_on(killed, lambda _: None)
        assert_equal_runs(killed, whole)
        assert len(said) >= after


def kill_again_and_again(folder: str) -> None:
    """One run that is killed after each round."""
    whole, killed = Path(folder) / "whole", Path(folder) / "killed"
    go_on(whole, lambda _: None)
    run_folder.create(killed, CONFIG)
    for delay in (0.0, 0.01, 0.05):
        killed_during(lambda say: go_on(killed, say), 1, delay)
    go_on(killed, lambda _: None)
    assert_equal_runs(killed, whole)


def kill_an_agent(folder: str) -> None:
    """Actor, critic and their optimisers go on where they were, too."""
    whole, killed = Path(folder) / "whole", Path(folder) / "killed"
    go_on(whole, lambda _: None, AGENT)
    run_folder.create(killed, AGENT)
    killed_during(lambda say: go_on(killed, say, AGENT), 2, 0.01)
    go_on(killed, lambda _: None, AGENT)
    assert_equal_runs(killed, whole)
    agents = [newest(run / "checkpoint") / "agent.safetensors" for run in (whole, killed)]
    assert agents[0].read_bytes() == agents[1].read_bytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize("function", ["kill_and_compare", "kill_again_and_again", "kill_an_agent"])
def test_a_killed_run_resumes_to_the_bit(tmp_path: Path, function: str) -> None:
    run_apart(__name__, function, str(tmp_path))


def test_a_seed_is_a_run(tiny_run: Path, tmp_path: Path) -> None:
    """The comparison above can fail: another seed gives other numbers."""
    other = replace(preset("tiny"), seed=1)
    run_folder.create(tmp_path / "other", other)
    train(start(other, tmp_path / "other", torch.device("cpu")), Saying(lambda _: None), workers=0)
    with pytest.raises(AssertionError):
        assert_equal_runs(tmp_path / "other", tiny_run)
