"""Runs through the command line: what they leave, what they refuse, and that no failure loses what was there."""

import errno
import hashlib
import importlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments import train as training
from experiments.cli import main
from experiments.metrics import read
from experiments.run_folder import load_model, read_config
from tests.experiments.conftest import TINY
from worldmodel import replay
from worldmodel.checkpoint import newest
from worldmodel.replay import Replay

from .equal_runs import assert_equal_runs


@pytest.fixture(autouse=True)
def no_videos(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a tiny run's time; that of `tiny_run` is looked at below."""
    monkeypatch.setattr("experiments.commands.train.write_video", lambda model, config, folder: folder / "none")


def test_a_run_folder_holds_all_that_belongs_to_a_run(tiny_run: Path) -> None:
    config = read_config(tiny_run)
    lines = read(tiny_run / "metrics.jsonl")
    assert json.loads((tiny_run / "config.json").read_text())["env"] == "pendulum"
    assert max(line["updates"] for line in lines) == config.rounds * config.updates
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
    collected = config.seed_episodes + (config.rounds - 2) * config.episodes
    assert Replay.open(tiny_run / "replay").count("train") == collected
    assert load_model(tiny_run, torch.device("cpu"))[0] == config


def test_a_share_of_every_batch_holds_a_paid_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, sample = [], Replay.sample

    def watched(self: Replay, batch: int, length: int, rng: np.random.Generator, paid: int = 0) -> replay.Batch:
        asked.append((batch, paid))
        return sample(self, batch, length, rng, paid)

    monkeypatch.setattr(Replay, "sample", watched)
    options = ["--rounds", "1", "--updates", "3", "--batch", "4", "--paid", "0.5", "--out", str(tmp_path / "run")]
    assert main(["train", "tiny", "--workers", "0", *options]) == 0
    assert asked[-3:] == [(4, 2)] * 3


def test_the_video_shows_three_panels_for_each_step(tiny_run: Path) -> None:
    with Image.open(tiny_run / "open_loop.webp") as video:
        assert video.n_frames == 60
        assert video.width > 3 * 192


def test_first_device_then_disk_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--out", str(tmp_path / "run"), "--rounds", "1", "--seed", "3"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("device: cpu")
    assert "1 thread" in first
    stored = sum(file.stat().st_size for file in (tmp_path / "run" / "replay").iterdir())
    at_most = int(second.partition("at most ")[2].split()[0].replace(",", ""))
    assert stored <= at_most + 32 * 64 + 1024  # the index: 32 bytes an episode; two small JSON files


def test_a_folder_that_exists_is_not_touched(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")}
    assert main([*TINY, "--out", str(tiny_run)]) == 2
    err = capsys.readouterr().err
    assert f"{tiny_run} exists" in err
    assert "--resume" in err
    assert {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")} == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--batch", "5"], ["--batch 5 (stored: 4)", "another --out"]),
        (["--model.deter", "17", "--seed", "9"], ["--seed 9 (stored: 0)", "--model.deter 17 (stored: 16)"]),
    ],
)
def test_a_resumed_run_keeps_its_configuration(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: list[str]
) -> None:
    assert main(["train", "tiny", "--resume", "--out", str(tiny_run), *options]) == 2
    err = capsys.readouterr().err
    for word in words:
        assert word in err


def test_the_optimizer_is_chosen(tiny_run: Path, tmp_path: Path) -> None:
    """Adam wants a smaller learning rate; the weights after a run say that it was another optimizer."""
    assert read_config(tiny_run).optimizer == "muon"
    run = tmp_path / "adam"
    assert main([*TINY, "--optimizer", "adam", "--learning-rate", "2e-3", "--out", str(run)]) == 0
    config, model = load_model(run, torch.device("cpu"))
    assert (config.optimizer, config.learning_rate) == ("adam", 2e-3)
    stored = torch.load(newest(run / "checkpoint") / "optimizers.pt", weights_only=True)["model"]
    assert set(stored["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_a_run_is_not_resumed_as_another_environment(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cartpole", "--resume", "--out", str(tiny_run)]) == 2
    assert "learns pendulum, the preset cartpole is for cartpole" in capsys.readouterr().err


def test_resuming_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny", "--resume", "--out", str(tmp_path)]) == 2
    assert "config.json does not exist" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_another_run_is_refused(run_copy: Path, tiny_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert main([*TINY, "--out", str(other), "--rounds", "1", "--seed", "3"]) == 0
    shutil.rmtree(run_copy / "checkpoint")
    shutil.copytree(other / "checkpoint", run_copy / "checkpoint")
    assert main(["train", "tiny", "--resume", "--out", str(run_copy)]) == 2


def test_a_truncated_checkpoint_is_said_and_not_used(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest = sorted((run_copy / "checkpoint").iterdir())[-1]
    weights = newest / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    assert main(["evaluate", str(run_copy), "--processes", "1", "--episodes", "1"]) == 1
    err = capsys.readouterr().err
    assert "must be whole" in err
    assert "checkpoint-" in err.partition("Give")[2]  # the one before is named


def test_weights_of_another_model_are_refused(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run_copy.parent / "planar"
    assert main([*TINY, "--out", str(other), "--env", "planar", "--rounds", "1"]) == 0
    config = json.loads((other / "config.json").read_text()) | {"env": "pendulum"}
    (other / "config.json").write_text(json.dumps(config))
    for stored in (other / "checkpoint").iterdir():  # as somebody would who wants it to pass
        forge(stored, json.dumps(config).encode())
    assert main(["evaluate", str(other), "--processes", "1", "--episodes", "1"]) == 1
    assert "model for another environment" in capsys.readouterr().err


def forge(stored: Path, config: bytes) -> None:
    (stored / "config.json").write_bytes(config)
    manifest = json.loads((stored / "manifest.json").read_text())
    manifest["files"]["config.json"] = {"bytes": len(config), "sha256": hashlib.sha256(config).hexdigest()}
    (stored / "manifest.json").write_text(json.dumps(manifest))


def fail_at(monkeypatch: pytest.MonkeyPatch, where: object, name: str, call: int, error: BaseException) -> None:
    """The ``call``-th call of a function fails, the others do what they always do."""
    original, calls = getattr(where, name), iter(range(10**6))

    def sometimes(*arguments: object, **named: object) -> object:
        if next(calls) == call:
            raise error
        return original(*arguments, **named)

    monkeypatch.setattr(where, name, sometimes)


STOPS = {
    "Ctrl-C while fitting": ("experiments.train", "update", 6, KeyboardInterrupt(), 130, "Go on from update 4"),
    "Ctrl-C at first": ("experiments.train", "seed_episodes", 0, KeyboardInterrupt(), 130, "Go on from update 0"),
    "disk full, replay": ("worldmodel.replay", "write_rows", 3, OSError(errno.ENOSPC, "full"), 1, "MiB free"),
    "disk full, checkpoint": ("worldmodel.checkpoint_files", "_fill", 2, OSError(errno.ENOSPC, "full"), 1, "MiB free"),
    "disk full, metrics": ("experiments.metrics", "open", 2, OSError(errno.ENOSPC, "full"), 1, "disk is full"),
}


@pytest.mark.parametrize("stop", STOPS)
def test_a_stopped_run_says_how_to_go_on_and_goes_on_to_the_same_numbers(
    stop: str, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, name, call, error, expected, words = STOPS[stop]
    where = importlib.import_module(module)
    with monkeypatch.context() as patched:
        if name == "open":
            patched.setattr(where, "open", open, raising=False)
        fail_at(patched, where, name, call, error)
        assert main([*TINY, "--out", str(tmp_path / "run")]) == expected
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err
    assert main(["train", "tiny", "--workers", "0", "--resume", "--out", str(tmp_path / "run")]) == 0
    assert_equal_runs(tmp_path / "run", tiny_run)


def test_a_run_that_never_began_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_at(monkeypatch, replay, "write_rows", 1, OSError(errno.ENOSPC, "full"))
    assert main([*TINY, "--out", str(tmp_path / "run")]) == 1
    assert "MiB free" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_too_big_a_replay_is_refused_before_it_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 10**6))
    monkeypatch.setattr(training, "seed_episodes", lambda _: pytest.fail("episodes were collected"))
    assert main([*TINY, "--out", str(tmp_path / "run")]) == 1
    assert "of disk when full" in capsys.readouterr().err


def test_nan_in_the_data_is_said_and_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = training.seed_episodes

    def poisoned(config: training.TrainConfig) -> list:
        episodes = original(config)
        episodes[1].reward[7] = np.nan
        return episodes

    monkeypatch.setattr(training, "seed_episodes", poisoned)
    assert main([*TINY, "--out", str(tmp_path / "run")]) == 1
    assert "Episode.reward must be finite; row 7 holds nan" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original, calls = training.Replay.sample, iter(range(100))

    def poisoned(self: Replay, *arguments: object) -> replay.Batch:
        batch = original(self, *arguments)
        return batch._replace(reward=batch.reward * np.nan) if next(calls) == 5 else batch

    with monkeypatch.context() as patched:
        patched.setattr(training.Replay, "sample", poisoned)
        assert main([*TINY, "--out", str(tmp_path / "run")]) == 1
    err = capsys.readouterr().err
    assert "Losses and gradients must be finite" in err
    assert training.checkpoint.load_progress(tmp_path / "run" / "checkpoint")["updates"] == 4
