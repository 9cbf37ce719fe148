"""`worldmodel probe`: a belief that remembers the last frame tells the velocity, and one frame does not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.cli import main
from experiments.commands.probe import compare
from experiments.state_probe import variables
from worldmodel.episode import Episode
from worldmodel.interface import Belief, State


class Differences:
    """Sees a position, shown as the brightness of one pixel; believes it, and what it has changed by."""

    encoder = SimpleNamespace(features=lambda image: image.flatten(-3)[..., :1])

    def initial(self, batch: int) -> Belief:
        return Belief(State(torch.zeros(batch, 0), torch.zeros(batch, 2)), torch.zeros(batch, 0))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor) -> Belief:
        position = observation.flatten(-3)[..., :1].float()
        change = position - belief.state.stoch[:, :1]
        return belief._replace(state=State(belief.state.deter, torch.cat([position, change], -1)))


def oscillation(phase: float, rows: int) -> Episode:
    """Brightness 128 + 100 sin; the first position is 0, as is what `Differences` remembers before it."""
    time = np.arange(rows)
    position = np.round(128 + 100 * np.sin(0.5 * time + phase)) * (time > 0)
    state = np.stack([position, np.diff(position, prepend=0.0)], -1)
    picture = np.repeat(position.astype(np.uint8)[:, None, None, None], 3, -1)
    nothing = np.zeros(rows, np.float32)
    return Episode(picture, nothing[:, None], nothing, nothing > 0, time == 0, state)


def test_the_belief_tells_the_velocity_and_the_frame_does_not() -> None:
    episodes = [oscillation(phase, rows=40 + phase) for phase in range(20)]  # of different lengths
    task = SimpleNamespace(state_names=("position", "velocity"))
    names, belief, frame = compare(Differences(), task, episodes)  # type: ignore[arg-type]
    assert names == ["position", "velocity"]
    np.testing.assert_allclose(belief, 1, atol=1e-6)
    assert frame[0] > 0.999
    assert frame[1] < 0.3


def test_an_angle_is_probed_as_sine_and_cosine() -> None:
    assert variables(("pole angle", "velocity")) == ["sin pole angle", "cos pole angle", "velocity"]


def test_a_run_is_probed_from_the_command_line(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", str(tiny_run)]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("sin angle", "cos angle", "velocity", "belief", "frame"))
