"""When two runs are the same: weights, metrics, episodes and random states, to the bit."""

from pathlib import Path

import numpy as np

from worldmodel.checkpoint import load_progress, newest
from worldmodel.replay import Replay

EXACT = ("model.safetensors", "random.json", "optimizers.pt", "config.json")


def assert_equal_runs(one: Path, other: Path) -> None:
    mine, theirs = newest(one / "checkpoint"), newest(other / "checkpoint")
    for name in EXACT:
        assert (mine / name).read_bytes() == (theirs / name).read_bytes(), name
    assert untimed(mine) == untimed(theirs)
    assert (one / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()
    episodes = [list(Replay.open(run / "replay").episodes("train")) for run in (one, other)]
    for first, second in zip(*episodes, strict=True):
        for field, again in zip(first, second, strict=True):
            np.testing.assert_array_equal(field, again)


def untimed(checkpoint: Path) -> dict:
    """The counters without the seconds that the run took."""
    return {name: value for name, value in load_progress(checkpoint).items() if name != "seconds"}
