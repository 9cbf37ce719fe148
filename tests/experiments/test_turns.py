"""A soft agent that learns in turns with collecting: from which weights, in which model, of which steps."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments import lessons
from experiments.beliefs import filtered_episodes
from experiments.cli import main
from experiments.collector import InlineCollector, noise_levels
from experiments.config import ActorConfig, TrainConfig
from experiments.metrics import read
from experiments.run_folder import load_model
from planners.episode import Run
from worldmodel.episode import Episode
from worldmodel.replay import Replay

from .conftest import TINY
from .equal_runs import assert_equal_runs
from .stopped_run import whole_and_stopped

SEARCH = ["--collect.name", "icem+policy+value", "--collect.candidates", "12"]
SEARCH += ["--planner.name", "icem+policy+value", "--planner.candidates", "12"]
AGENT = ["--agent", "slac", "--afresh", "--actor.turn", "1", "--actor.first-lesson", "6", "--actor.lesson", "3"]
AGENT += ["--actor.last-lesson", "7"]
TURNS = [*TINY, *AGENT, *SEARCH, "--actor.steps", "3", "--actor.dropout", "0.2"]


@pytest.fixture(autouse=True)
def no_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.commands.train.write_video", lambda model, config, folder: folder / "none")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("turns") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("experiments.commands.train.write_video", lambda model, config, folder: folder / "none")
        assert main([*TURNS, "--out", str(folder)]) == 0
    return folder


def test_the_agent_plays_what_it_learned_a_turn_ago_in_a_model_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, start = list[tuple[int, int, dict[str, torch.Tensor], dict[str, torch.Tensor]]](), InlineCollector.start

    def watched(self: InlineCollector, number: int, modules: Mapping[str, torch.nn.Module], turn: int = 0) -> None:
        model, agent = ({k: v.clone() for k, v in modules[name].state_dict().items()} for name in ("model", "agent"))
        seen.append((number, turn, model, agent))
        start(self, number, modules, turn)

    monkeypatch.setattr(InlineCollector, "start", watched)
    assert main([*TURNS, "--rounds", "3", "--episodes", "3", "--out", str(tmp_path / "run")]) == 0
    assert [one[:2] for one in seen] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]

    def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
        return all(torch.equal(a[name], b[name]) for name in a)

    models = [same(one[2], other[2]) for one, other in pairwise(seen)]
    agents = [same(one[3], other[3]) for one, other in pairwise(seen)]
    assert models == [True, True, False, True, True]
    assert agents == [True, False, False, True, False]  # the first episode is learned from while the second is played


def test_lessons_are_of_all_steps_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, teach = list[tuple[int, int]](), lessons.teach

    def watched(training: Any, episodes: Any, updates: int, *rest: Any, **more: Any) -> dict[str, float]:
        told.append((int((episodes.left == 0).sum()), updates))
        return teach(training, episodes, updates, *rest, **more)

    monkeypatch.setattr(lessons, "teach", watched)
    words = [*TURNS, "--episodes", "3", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    assert told == [(2, 6), (3, 3), (4, 3), (5, 6), (6, 3), (7, 3), (8, 6), (9, 3), (10, 3), (11, 7)]


def test_what_is_evaluated_has_learned_from_every_episode_in_the_last_model(run: Path) -> None:
    lines = [line for line in read(run / "metrics.jsonl") if "lesson_critic_error" in line]
    assert [line["updates"] for line in lines] == [1, 3, 6, 10]
    assert all(np.isfinite(value) for line in lines for value in line.values())
    assert main(["evaluate", str(run), "--episodes", "1"]) == 0
    assert main(["evaluate", str(run), "--episodes", "1", "--planner", "actor"]) == 0


def test_in_another_process_the_same_to_the_bit(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    assert main([*TURNS, "--workers", "1", "--out", str(other)]) == 0
    assert_equal_runs(other, run)


def test_a_stopped_run_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = whole_and_stopped([*TURNS, "--updates", "8", "--explore", "0.5"], tmp_path, monkeypatch)
    assert_equal_runs(stopped, whole)


def test_the_turns_of_a_round_have_its_noises_among_them_and_seeds_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, said = list[Run](), list[tuple[int, list[float]]]()

    def play(model: Any, planner: Any, env: Any, seed: int, noise_std: Any, generator: Any) -> list[Run]:
        said.extend((seed + i, noise) for i, noise in enumerate(noise_std))
        return played

    monkeypatch.setattr("experiments.collector.run_episode", play)
    config = TrainConfig(size=16, episodes=6, agent="slac", afresh=True, rounds=3, actor=ActorConfig(turn=2))
    collector = InlineCollector(config)
    for turn in range(3):
        collector.start(1, {}, turn)
    assert [noise for _, noise in said] == [noise_levels(config)[i] for i in (0, 3, 1, 4, 2, 5)]
    assert len({seed for seed, _ in said}) == 6


def test_filtered_episodes_are_what_the_filter_says_row_by_row(run: Path) -> None:
    _, model = load_model(run, torch.device("cpu"))
    first, second, *_ = Replay.open(run / "replay").episodes("train")
    short = Episode(*(field[:5] for field in second))
    found = filtered_episodes(model, [first, short])
    assert found.left.tolist() == [*range(first.rows - 1, -1, -1), 4, 3, 2, 1, 0]
    row = 0
    for episode in (first, short):
        belief = model.initial(1)
        for t in range(episode.rows):
            action = torch.from_numpy(episode.action[None, t])
            belief = model.filter(belief, action, torch.from_numpy(episode.observation[None, t]))
            vector = found.states.map(lambda x, row=row: x[row : row + 1]).vector
            torch.testing.assert_close(vector, belief.state.vector, atol=1e-5, rtol=1e-4)
            assert found.reward[row] == float(episode.reward[t])
            row += 1


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--agent", "slac", "--actor.turn", "1"], "for --agent slac and --afresh"),
        (["--agent", "actor-critic", "--afresh", "--actor.turn", "1"], "came with --agent actor-critic and --afresh"),
        ([*AGENT, "--actor.turn", "3", "--episodes", "4"], "must divide --episodes"),
        (["--agent", "slac", "--actor.steps", "3"], "for an agent that learns in turns"),
        ([*AGENT, "--actor.lesson", "0"], "--actor.lesson must be at least 1"),
        ([*AGENT, "--actor.dropout", "1"], "--actor.dropout must be in [0, 1)"),
        ([*AGENT, "--actor.turn", "-1"], "--actor.turn must be at least 0"),
    ],
)
def test_what_does_not_fit_is_said(
    options: list[str], rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, *options, "--out", str(tmp_path / "run")]) == 2
    assert rule in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
