"""`--replay-gb`: beyond it a run drops its oldest whole episodes, and says beforehand what it will take."""

from pathlib import Path

import numpy as np
import pytest

from experiments.cli import main
from tests.experiments.conftest import TINY
from worldmodel.replay import Replay


def test_a_capped_run_keeps_the_newest_episodes_whole(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = 3 * 101 + 50  # room for three episodes and a half
    cap = rows * (32 * 32 * 3 + 64) / 1e9
    assert main([*TINY, "--out", str(tmp_path / "run"), "--replay-gb", str(cap)]) == 0
    assert f"{rows} rows of 32×32 pixels" in capsys.readouterr().out
    capped, whole = Replay.open(tmp_path / "run" / "replay"), Replay.open(tiny_run / "replay")
    assert capped.position() == whole.position() == 6
    kept = list(capped.episodes("train"))
    assert [episode.rows for episode in kept] == [101, 101, 101]
    assert len(np.unique([episode.state[0, 0] for episode in kept])) == 3
    first = next(whole.episodes("train"))
    assert not any(np.array_equal(episode.state, first.state) for episode in kept)
