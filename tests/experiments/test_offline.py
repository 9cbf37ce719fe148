"""Training on a data folder: without an environment, exact to the bit, and on no other data than it began with."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import environment
from experiments import train as training
from experiments.cli import main
from experiments.metrics import read
from experiments.run_folder import load_model, read_config
from worldmodel.checkpoint import newest
from worldmodel.data_folder import DataFolder, create, open_folder
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.images import to_model
from worldmodel.likelihoods import OwnUnits

from .equal_runs import EXACT
from .test_train_command import fail_at

TINY = ["train", "tiny"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "pendulum"
    assert main(["collect", "pendulum", "--episodes", "4", "--test-share", "0.25", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def offline_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "offline"
    assert main([*TINY, "--data", str(data), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("make", "shapes"):
        monkeypatch.setattr(environment, name, lambda *_: pytest.fail("an environment was made"))


def stated(source: Path, folder: Path, **changes: object) -> DataFolder:
    """A copy of the episodes in ``source`` that says something else of itself."""
    old = open_folder(source)
    copy = create(folder, type(old.about)(**vars(old.about) | changes))
    test, train = old.test.episodes("train"), old.train.episodes("train")
    for number in range(old.episodes):
        copy.add(next(test) if number == 0 else next(train))
    return copy


def test_no_environment_is_made_and_the_data_is_only_read(data: Path, tmp_path: Path, no_environment: None) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    assert main([*TINY, "--data", str(data), "--out", str(tmp_path / "run"), "--rounds", "2"]) == 0
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before
    assert not (tmp_path / "run" / "replay").exists()
    assert (tmp_path / "run" / "open_loop.webp").exists()


def test_the_run_records_its_data_and_what_it_does_on_test_episodes(data: Path, offline_run: Path) -> None:
    config = read_config(offline_run)
    assert config.data is not None
    assert config.data.fingerprint == open_folder(data).fingerprint
    held_out = [line for line in read(offline_run / "metrics.jsonl") if "held_out_loss" in line]
    assert [line["updates"] for line in held_out] == [4, 8, 12, 16]
    assert all(np.isfinite(list(line.values())).all() for line in held_out)
    assert not any("episodes" in line for line in read(offline_run / "metrics.jsonl"))


def test_poses_set_out_standardized_on_the_data(data: Path, tmp_path: Path) -> None:
    """... and are what is trained and averaged from then on: an update that changes next to nothing leaves them so."""
    options = ["--rounds", "1", "--updates", "1", "--learning-rate", "1e-9", "--final-learning-rate", "1e-9"]
    run = tmp_path / "run"
    assert main([*TINY, "--data", str(data), "--out", str(run), "--model", "pose", *options]) == 0
    encoder = load_model(run, torch.device("cpu"))[1].encoder
    assert isinstance(encoder, PoseEncoder)
    frames = np.concatenate([episode.observation for episode in open_folder(data).train.episodes("train")])
    poses = encoder.poses(to_model(torch.from_numpy(frames), torch.float32))
    torch.testing.assert_close(poses.std(0), torch.ones(encoder.pose), atol=0.25, rtol=0)


def test_pixels_get_their_own_units_from_the_data(data: Path, tmp_path: Path) -> None:
    run, short = tmp_path / "run", ["--rounds", "1", "--updates", "1"]
    assert main([*TINY, "--data", str(data), "--out", str(run), "--model.likelihood", "own-units", *short]) == 0
    likelihood = load_model(run, torch.device("cpu"))[1].likelihood
    assert isinstance(likelihood, OwnUnits)
    frames = np.concatenate([episode.observation for episode in open_folder(data).train.episodes("train")]) / 255
    np.testing.assert_allclose(likelihood.middle, frames.mean(0), atol=0.1)  # windows see some frames more often
    np.testing.assert_allclose(likelihood.deviation, frames.std(0).clip(OwnUnits.least), atol=0.1)


def test_a_model_loads_without_its_data_and_without_its_environment(
    offline_run: Path, tmp_path: Path, no_environment: None
) -> None:
    shutil.copytree(offline_run, tmp_path / "run")
    assert load_model(tmp_path / "run", torch.device("cpu"))[1].sizes.action == 1


def test_a_stopped_run_goes_on_to_the_bit(
    data: Path, offline_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        fail_at(patched, training, "update", 6, KeyboardInterrupt())
        assert main([*TINY, "--data", str(data), "--out", str(tmp_path / "run")]) == 130
    assert main([*TINY, "--resume", "--out", str(tmp_path / "run")]) == 0
    assert_equal(tmp_path / "run", offline_run)


def test_data_that_has_moved_is_known_again(data: Path, offline_run: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "before")
    run = tmp_path / "run"
    assert main([*TINY, "--data", str(tmp_path / "before"), "--out", str(run)]) == 0
    shutil.rmtree(newest(run / "checkpoint"))
    (tmp_path / "before").rename(tmp_path / "after")
    assert main([*TINY, "--resume", "--out", str(run)]) == 2
    assert main([*TINY, "--resume", "--out", str(run), "--data", str(tmp_path / "after")]) == 0
    mine, theirs = newest(run / "checkpoint"), newest(offline_run / "checkpoint")
    assert (mine / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()


def assert_equal(one: Path, other: Path) -> None:
    mine, theirs = newest(one / "checkpoint"), newest(other / "checkpoint")
    for name in EXACT:
        assert (mine / name).read_bytes() == (theirs / name).read_bytes(), name
    assert (one / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()


def test_a_run_goes_on_with_no_other_data(
    data: Path, offline_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collect", "pendulum", "--episodes", "4", "--seed", "1", "--out", str(tmp_path / "other")]) == 0
    assert main([*TINY, "--resume", "--out", str(offline_run), "--data", str(tmp_path / "other")]) == 2
    assert "with the episodes that it began with" in capsys.readouterr().err


def test_a_run_that_collects_is_not_turned_offline(
    data: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "--resume", "--out", str(tiny_run), "--data", str(data)]) == 2
    assert "goes on doing so" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "64"], ["64×64", "have 32×32", "Give --size 32"]),
        (["--env", "planar"], ["is of pendulum (1 action dimensions)", "for planar", "--env pendulum"]),
        (["--batch", "0"], ["--batch must be at least 1"]),
    ],
)
def test_what_does_not_fit_the_data_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: list[str]
) -> None:
    assert main([*TINY, "--data", str(data), "--out", str(tmp_path / "run"), *options]) == 2
    err = capsys.readouterr().err
    for word in words:
        assert word in err
    assert not (tmp_path / "run").exists()


def test_data_of_no_known_environment(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = stated(data, tmp_path / "data", env=None)
    assert main([*TINY, "--data", str(unknown.folder), "--out", str(tmp_path / "run"), "--rounds", "1"]) == 0
    assert read_config(tmp_path / "run").env == "none"
    assert main([*TINY, "--data", str(unknown.folder), "--out", str(tmp_path / "other"), "--env", "planar"]) == 2
    assert "must have 2 action dimensions" in capsys.readouterr().err


def test_data_without_test_episodes_trains_without_a_test(data: Path, tmp_path: Path) -> None:
    all_train = stated(data, tmp_path / "data", test_share=0.0, rows=404, test_rows=0)
    assert main([*TINY, "--data", str(all_train.folder), "--out", str(tmp_path / "run"), "--rounds", "1"]) == 0
    assert not any("held_out_loss" in line for line in read(tmp_path / "run" / "metrics.jsonl"))


def test_a_folder_without_data_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--data", str(tmp_path / "nothing"), "--out", str(tmp_path / "run")]) == 2
    assert "worldmodel collect" in capsys.readouterr().err
