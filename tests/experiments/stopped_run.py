"""A run that is stopped in the middle and gone on with, beside the same one in one go."""

from pathlib import Path

import pytest

from experiments import train as training
from experiments.cli import main

from .test_train_command import fail_at


def whole_and_stopped(options: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Run folders. options: of a `train tiny`, without --out; the second is stopped by Ctrl-C in its tenth update."""
    whole, stopped = folder / "whole", folder / "stopped"
    assert main([*options, "--out", str(whole)]) == 0
    with monkeypatch.context() as patched:
        fail_at(patched, training, "update", 10, KeyboardInterrupt())
        assert main([*options, "--out", str(stopped)]) == 130
    assert main(["train", "tiny", "--workers", "0", "--resume", "--out", str(stopped)]) == 0
    return whole, stopped
