"""`--log tensorboard`: the same numbers as metrics.jsonl, moving pictures, beliefs; and nothing twice after a stop."""

import importlib.util
import io
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import tensorboard_log
from experiments.cli import main
from experiments.metrics import read
from tests.experiments.conftest import TINY

from .equal_runs import assert_equal_runs
from .test_train_command import fail_at, no_videos  # noqa: F401

needed = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason='tensorboard comes with pip install ".[tensorboard]"'
)
LOG = ["--log", "tensorboard"]
OF_THE_CLOCK = "speed/"
ROWS = 9


@pytest.fixture(scope="module", autouse=True)
def short_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("experiments.video.ROWS", ROWS)
        patched.setattr("experiments.tensorboard_log.PLAYED", 1)
        yield


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logged") / "run"
    assert main([*TINY, *LOG, "--out", str(folder)]) == 0
    return folder


class Told:
    """What TensorBoard itself reads in the log of a run."""

    def __init__(self, run: Path) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        self._events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
        self._events.Reload()

    def scalars(self) -> dict[str, list[tuple[int, float]]]:
        """Without those that the clock decides."""
        tags = [tag for tag in self._events.Tags()["scalars"] if not tag.startswith(OF_THE_CLOCK)]
        return {tag: [(event.step, event.value) for event in self._events.Scalars(tag)] for tag in tags}

    def speeds(self) -> list[float]:
        return [event.value for event in self._events.Scalars(f"{OF_THE_CLOCK}updates_per_second")]

    def pictures(self) -> list[tuple[int, Image.Image]]:
        events = self._events.Images("open_loop")
        return [(event.step, Image.open(io.BytesIO(event.encoded_image_string))) for event in events]


@needed
def test_the_log_has_the_numbers_of_the_metrics(logged: Path) -> None:
    scalars, lines = Told(logged).scalars(), read(logged / "metrics.jsonl")
    fits = [line for line in lines if "loss" in line]
    for name in fits[0].keys() - {"updates"}:
        assert scalars[f"training/{name}"] == [(line["updates"], pytest.approx(line[name], rel=1e-6)) for line in fits]
    collected = [(line["updates"], pytest.approx(np.mean(line["returns"]))) for line in lines if "returns" in line]
    assert scalars["collected/return"] == collected
    assert len(collected) == 2
    assert [value for _, value in scalars["collected/episodes"]] == [4, 6]
    assert len(Told(logged).speeds()) == len(fits)
    assert min(Told(logged).speeds()) > 0


@needed
def test_a_run_does_not_change_because_it_is_logged(logged: Path, tiny_run: Path) -> None:
    assert_equal_runs(logged, tiny_run)


@needed
def test_videos_move_and_have_the_step_of_their_round(logged: Path) -> None:
    pictures = Told(logged).pictures()
    assert [step for step, _ in pictures] == [8, 12, 16]
    for _, picture in pictures:
        assert picture.format == "GIF"
        assert picture.n_frames == ROWS
        assert picture.width > 3 * 192


@needed
@pytest.mark.parametrize("options", [[], ["--afresh"]], ids=["plain", "afresh"])
def test_the_last_video_is_of_an_episode_that_was_not_learned_from(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, original = list[int](), tensorboard_log.held_out_episodes
    monkeypatch.setattr(tensorboard_log, "held_out_episodes", lambda *a: (played.append(1), original(*a))[1])
    assert main([*TINY, *LOG, *options, "--out", str(tmp_path / "run")]) == 0
    assert played == [1]


@needed
def test_beliefs_have_a_vector_a_frame_and_the_true_state_each(logged: Path) -> None:
    log = logged / "tensorboard"
    (folder,) = log.glob("beliefs-*")
    assert folder.name == "beliefs-000016"
    config = (log / "projector_config.pbtxt").read_text()
    for name in re.findall(r'_path: "(.*)"', config):
        assert (log / name).exists()
    vectors = np.loadtxt(folder / "vectors.tsv", delimiter="\t")
    header, *about = (folder / "about.tsv").read_text().splitlines()
    assert header.split("\t") == ["angle", "velocity", "reward", "step", "episode"]
    assert vectors.shape == (len(about), 16 + 4)
    with Image.open(folder / "frames.png") as sheet:
        assert (sheet.width // 32) * (sheet.height // 32) >= len(about)
        assert sheet.width // 32 == int(np.ceil(np.sqrt(len(about))))


@needed
def test_a_resumed_run_logs_nothing_twice(logged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the second round was logged and before it was stored."""
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        from experiments import train

        fail_at(patched, train, "save", 2, KeyboardInterrupt())
        assert main([*TINY, *LOG, "--out", str(run)]) == 130
    stale = run / "tensorboard" / "beliefs-000099"  # as from a round that was logged and not stored
    shutil.copytree(logged / "tensorboard" / "beliefs-000016", stale)
    assert main(["train", "tiny", "--workers", "0", *LOG, "--resume", "--out", str(run)]) == 0
    assert Told(run).scalars() == Told(logged).scalars()
    assert [step for step, _ in Told(run).pictures()] == [8, 12, 16]
    assert not stale.exists()


@needed
def test_a_log_that_begins_later_is_given_what_came_before(
    logged: Path, run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tiny", *LOG, "--resume", "--out", str(run_copy)]) == 0
    assert Told(run_copy).scalars() == Told(logged).scalars()
    assert f"tensorboard --logdir {run_copy}" in capsys.readouterr().out


@needed
def test_how_to_go_on_names_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_at(monkeypatch, sys.modules["experiments.train"], "update", 2, KeyboardInterrupt())
    assert main([*TINY, *LOG, "--out", str(tmp_path / "run")]) == 130
    assert capsys.readouterr().err.endswith(f"--resume --out {tmp_path / 'run'} --log tensorboard\n")


def test_without_the_package_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert main([*TINY, *LOG, "--out", str(tmp_path / "run")]) == 2
    assert 'pip install "worldmodel-planners[tensorboard]"' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("rounds", "expected"), [(4, [1, 2, 3, 4]), (20, [*range(2, 21, 2)]), (25, [1, 4, 7, 10, 13, 16, 19, 22, 25])]
)
def test_pictures_are_as_many_as_are_kept_and_end_with_the_last(rounds: int, expected: list[int]) -> None:
    assert [done for done in range(1, rounds + 1) if tensorboard_log.due(done, rounds)] == expected


def test_numbers_are_grouped_by_what_they_are_of() -> None:
    line = {"updates": 9, "loss": 1.0, "held_out_loss": 2.0, "returns": [1.0, 5.0], "episodes": 4, "predicted": 3.0}
    assert tensorboard_log.numbers(line) == {
        "training/loss": 1.0,
        "held_out/loss": 2.0,
        "collected/return": 3.0,
        "collected/lowest_return": 1.0,
        "collected/highest_return": 5.0,
        "collected/episodes": 4,
        "collected/predicted": 3.0,
    }
