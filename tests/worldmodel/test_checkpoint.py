"""Checkpoints: exact to the bit, whole or not at all, and one clear sentence for everything that can be wrong."""

import errno
import io
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from worldmodel import checkpoint
from worldmodel.checkpoint import CheckpointError

from .kills import Say, killed_during, run_apart


class Run(NamedTuple):
    """A tiny training run that draws from two generators in every step."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    noise: torch.Generator
    order: np.random.Generator

    @classmethod
    def new(cls, seed: int = 0, hidden: int = 8) -> "Run":
        noise = torch.Generator().manual_seed(seed)
        module = nn.Sequential(nn.Linear(4, hidden), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Linear(hidden, 1))
        for parameter in module.parameters():
            nn.init.normal_(parameter, generator=noise)
        return cls(module, torch.optim.Adam(module.parameters(), 1e-2), noise, np.random.default_rng(seed))

    def train(self, steps: int) -> None:
        for _ in range(steps):
            x = torch.randn(16, 4, generator=self.noise) + float(self.order.normal())
            loss = (self.module(x) - x.sum(-1, keepdim=True)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def save(self, folder: Path, **progress: int) -> Path:
        return checkpoint.save(
            folder, self.module, {"model": self.optimizer}, {"env": "toy", "sizes": [4, 8]}, progress, self.generators
        )

    def restore(self, folder: Path) -> dict:
        return checkpoint.restore(folder, self.module, {"model": self.optimizer}, self.generators)

    @property
    def generators(self) -> dict:
        return {"noise": self.noise, "order": self.order}

    def bits(self) -> list[bytes]:
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        tensors = [*self.module.state_dict().values(), *moments, self.noise.get_state()]
        return [t.numpy().tobytes() for t in tensors] + [repr(self.order.bit_generator.state).encode()]


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(tmp_path: Path) -> None:
    run = Run.new()
    run.train(5)
    run.save(tmp_path, updates=5)
    at_save = run.bits()
    run.train(5)

    resumed = Run.new(seed=1)
    assert resumed.bits() != at_save
    assert resumed.restore(tmp_path) == {"updates": 5}
    assert resumed.bits() == at_save
    resumed.train(5)
    assert resumed.bits() == run.bits()


@pytest.mark.parametrize("kind", ["PCG64", "MT19937", "Philox", "SFC64", "PCG64DXSM"])
def test_every_numpy_generator_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    rng = np.random.Generator(getattr(np.random, kind)(3))
    rng.integers(7, size=5, dtype=np.uint8)  # leaves a half-used word behind
    checkpoint.save(tmp_path, nn.Linear(1, 1), {}, {}, {}, {"rng": rng})
    expected = rng.integers(1000, size=20)
    other = np.random.Generator(getattr(np.random, kind)(4))
    checkpoint.restore(tmp_path, nn.Linear(1, 1), {}, {"rng": other})
    np.testing.assert_array_equal(other.integers(1000, size=20), expected)


def test_config_and_progress_come_back(tmp_path: Path) -> None:
    Run.new().save(tmp_path, updates=3, position=2)
    assert checkpoint.load_config(tmp_path) == {"env": "toy", "sizes": [4, 8]}
    assert checkpoint.load_progress(tmp_path) == {"updates": 3, "position": 2}


def test_weights_alone_load_into_a_model_without_an_optimizer(tmp_path: Path) -> None:
    run, other = Run.new(0), Run.new(1)
    run.save(tmp_path)
    checkpoint.load_weights(tmp_path, other.module)
    for mine, theirs in zip(run.module.state_dict().values(), other.module.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    checkpoint.save(tmp_path, module, {}, {}, {}, {})
    checkpoint.load_weights(tmp_path, module)


def test_the_newest_two_are_kept_and_the_newest_is_used(tmp_path: Path) -> None:
    run = Run.new()
    for updates in range(11):
        run.save(tmp_path, updates=updates)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-000010", "checkpoint-000011"]
    assert checkpoint.load_progress(tmp_path) == {"updates": 10}
    assert checkpoint.load_progress(tmp_path / "checkpoint-000010") == {"updates": 9}


def test_weights_of_another_model_are_refused_and_change_nothing(tmp_path: Path) -> None:
    Run.new(hidden=8).save(tmp_path)
    other = Run.new(hidden=6)
    before = other.bits()
    with pytest.raises(CheckpointError, match=r"0\.weight has the shape \[8, 4\], the model's has \[6, 4\]"):
        other.restore(tmp_path)
    assert other.bits() == before
    with pytest.raises(CheckpointError, match=r"weight is missing.*another environment"):
        checkpoint.load_weights(tmp_path, nn.Linear(4, 8))


def test_an_optimizer_of_other_parameters_is_refused(tmp_path: Path) -> None:
    run = Run.new()
    run.train(1)
    run.save(tmp_path)
    half = torch.optim.Adam(list(run.module.parameters())[:2])
    with pytest.raises(CheckpointError, match="same parameters; model in"):
        checkpoint.restore(tmp_path, run.module, {"model": half}, run.generators)


def test_forgotten_and_swapped_parts_are_refused(tmp_path: Path) -> None:
    run = Run.new()
    run.save(tmp_path)
    with pytest.raises(CheckpointError, match=r"holds \['noise', 'order'\] and \['noise'\] came"):
        checkpoint.restore(tmp_path, run.module, {"model": run.optimizer}, {"noise": run.noise})
    swapped = {"noise": run.order, "order": run.noise}
    with pytest.raises(CheckpointError, match="kind and on the device"):
        checkpoint.restore(tmp_path, run.module, {"model": run.optimizer}, swapped)


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has none\. Train first"):
        checkpoint.load_config(tmp_path)
    with pytest.raises(CheckpointError, match="does not exist"):
        checkpoint.load_config(tmp_path / "nowhere")
    (tmp_path / "weights.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is a file"):
        checkpoint.load_config(tmp_path / "weights.pt")


FILES = ["model.safetensors", "config.json", "progress.json", "random.json", "optimizers.pt", "manifest.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_damage_to_any_file_is_noticed_before_anything_changes(tmp_path: Path, name: str, damage: str) -> None:
    run = Run.new()
    run.train(1)
    run.save(tmp_path)
    path = run.save(tmp_path) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes(bytes(data) if damage == "flipped" else bytes(data[:-1]))
    before = run.bits()
    with pytest.raises(CheckpointError) as raised:
        run.restore(tmp_path)
    assert "checkpoint-000001 instead" in str(raised.value)  # the one before is good, and the error says so
    assert run.bits() == before
    run.restore(tmp_path / "checkpoint-000001")


def test_foreign_and_future_manifests_are_refused(tmp_path: Path) -> None:
    path = Run.new().save(tmp_path) / "manifest.json"
    manifest = json.loads(path.read_bytes())
    path.write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(CheckpointError, match=r"reads version 1 .* has version 99"):
        checkpoint.load_config(tmp_path)
    path.write_text(json.dumps({"tensors": []}))
    with pytest.raises(CheckpointError, match="written by another program"):
        checkpoint.load_config(tmp_path)


class Hostile:
    def __reduce__(self) -> tuple:
        return (os.mkdir, ("pwned",))


def test_code_in_a_stranger_s_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest fits the hostile file: whoever writes one can write the other."""
    monkeypatch.chdir(tmp_path)
    run, hostile = Run.new(), io.BytesIO()
    torch.save({"model": Hostile()}, hostile)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_optimizers", lambda _: hostile.getvalue())
        run.save(tmp_path / "checkpoints")
    with pytest.raises(CheckpointError, match="tampered"):
        run.restore(tmp_path / "checkpoints")
    assert not Path("pwned").exists()


def test_config_that_is_not_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="config must hold what JSON can"):
        checkpoint.save(tmp_path, nn.Linear(1, 1), {}, {"device": torch.device("cpu")}, {}, {})


@pytest.mark.parametrize("call", range(1, 9))
def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The disk is full at the `call`-th time that the save waits for it."""
    run = Run.new()
    run.save(tmp_path, updates=1)
    calls = []

    def full(_: int) -> None:
        calls.append(1)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError, match=r"MiB free\. The last good one is kept"):
            run.save(tmp_path, updates=2)
    kept = run.restore(tmp_path)["updates"]
    assert kept == (1 if call < 8 else 2)  # the last wait comes after the rename: the new one is there, and whole
    assert not list(tmp_path.glob("*.tmp"))
    run.save(tmp_path, updates=3)
    assert run.restore(tmp_path) == {"updates": 3}


def kill_saves(folder: str) -> None:
    def save_on_and_on(say: Say) -> None:
        run, updates = Run.new(), 0
        while True:
            run.train(1)
            updates += 1
            run.save(Path(folder), updates=updates)
            say(updates)

    for kill in range(20):
        said = killed_during(save_on_and_on, after=1 + kill % 3, delay=0.0003 * kill)
        assert Run.new(seed=1).restore(Path(folder))["updates"] in (said[-1], said[-1] + 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_kill_during_a_save_leaves_a_checkpoint_that_loads(tmp_path: Path) -> None:
    run_apart(__name__, "kill_saves", str(tmp_path))


def test_modules_beside_the_model_come_back_too(tmp_path: Path) -> None:
    model, agent, other = nn.Linear(2, 2), nn.Linear(3, 1), nn.Linear(3, 1)
    checkpoint.save(tmp_path, model, {}, {}, {}, {}, beside={"agent": agent})
    checkpoint.restore(tmp_path, model, {}, {}, beside={"agent": other})
    assert torch.equal(other.weight, agent.weight)
    again = nn.Linear(3, 1)
    checkpoint.load_weights(tmp_path, again, "agent")
    assert torch.equal(again.bias, agent.bias)
    with pytest.raises(CheckpointError, match=r"must list critic.safetensors"):
        checkpoint.load_weights(tmp_path, again, "critic")
