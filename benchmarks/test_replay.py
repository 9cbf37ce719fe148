"""Drawing batches from the replay beside two plain ways, and the memory that it takes.

    pytest benchmarks/test_replay.py --benchmark-enable

Times are of the processor, in the page cache: the question is what a training step pays, not how fast the disk is.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from worldmodel.episode import Episode
from worldmodel.replay import Replay

BATCH, LENGTH, SHAPE = 16, 32, (64, 64, 3)
EPISODES, ROWS = 40, 501


def episode(seed: int, rows: int = ROWS) -> Episode:
    rng = np.random.default_rng(seed)
    row = np.arange(rows)
    return Episode(
        observation=rng.integers(0, 256, (rows, *SHAPE), dtype=np.uint8),
        action=np.where(row[:, None] > 0, rng.uniform(-1, 1, (rows, 2)), 0).astype(np.float32),
        reward=np.where(row > 0, rng.normal(size=rows), 0).astype(np.float32),
        terminated=np.zeros(rows, dtype=bool),
        is_first=row == 0,
        state=rng.normal(size=(rows, 4)),
    )


def new_replay(folder: Path, episodes: int) -> Replay:
    replay = Replay.create(folder / "replay", episodes * ROWS, SHAPE, action_size=2, state_size=4)
    for seed in range(episodes):
        replay.add(episode(seed % 8))
    return replay


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return new_replay(tmp_path_factory.mktemp("replay"), EPISODES)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One uncompressed npz file per episode, as most published code keeps them."""
    folder = tmp_path_factory.mktemp("npz")
    for seed in range(EPISODES):
        np.savez(folder / f"{seed:03d}.npz", **episode(seed % 8)._asdict())
    return sorted(folder.glob("*.npz"))


def from_archives(archives: list[Path], rng: np.random.Generator) -> list[torch.Tensor]:
    windows = []
    for chosen, start in zip(rng.integers(EPISODES, size=BATCH), rng.integers(ROWS - LENGTH, size=BATCH), strict=True):
        with np.load(archives[chosen]) as stored:
            windows.append([stored[name][start : start + LENGTH] for name in Episode._fields])
    return [torch.from_numpy(np.stack(field)) for field in zip(*windows, strict=True)]


def from_maps(maps: list[np.ndarray], rng: np.random.Generator) -> list[torch.Tensor]:
    starts = rng.integers(EPISODES * ROWS - LENGTH, size=BATCH)
    return [torch.from_numpy(np.stack([field[start : start + LENGTH] for start in starts])) for field in maps]


@pytest.mark.benchmark(group="batch of 16 x 32 frames of 64 x 64 x 3", timer=time.process_time)
class TestSample:
    def test_replay(self, benchmark: BenchmarkFixture, replay: Replay) -> None:
        batch = benchmark(replay.sample, BATCH, LENGTH, np.random.default_rng(0))
        assert batch.observation.shape == (BATCH, LENGTH, *SHAPE)

    def test_memory_maps(self, benchmark: BenchmarkFixture, replay: Replay) -> None:
        """No episodes kept apart, nothing checked: the floor for a memory map."""
        maps = [
            np.memmap(field.path(replay.folder), field.dtype, "r").reshape(-1, *field.shape)
            for field in replay.layout.fields()
        ]
        assert benchmark(from_maps, maps, np.random.default_rng(0))[0].shape == (BATCH, LENGTH, *SHAPE)

    def test_npz_per_episode(self, benchmark: BenchmarkFixture, archives: list[Path]) -> None:
        batch = benchmark(from_archives, archives, np.random.default_rng(0))
        assert batch[0].shape == (BATCH, LENGTH, *SHAPE)


@pytest.mark.benchmark(group="adding an episode of 501 frames, on the disk when it returns", timer=time.process_time)
def test_add(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    benchmark.pedantic(new_replay(tmp_path, 1).add, (episode(1, ROWS - 1),), rounds=20)


MEASURE = """
import sys
import numpy as np
from worldmodel.replay import Replay

def resident():  # MiB
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

replay, rng = Replay.open(sys.argv[1]), np.random.default_rng(0)
replay.sample(16, 32, rng)
before = resident()
for _ in range(400):
    replay.sample(16, 32, rng)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_does_not_grow_with_what_is_drawn(tmp_path: Path) -> None:
    """400 batches touch nearly all of 480 MiB of frames; resident memory must not follow."""
    replay = new_replay(tmp_path, 80)
    command = [sys.executable, "-c", MEASURE, str(replay.folder)]
    grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(f"\nresident memory grew by {grown:.1f} MiB over {replay.rows} rows")
    assert grown < 60


MILLION = """
import sys
import numpy as np
from worldmodel.replay import Replay

def memory():  # MiB
    with open("/proc/self/status") as file:
        found = dict(line.split(":", 1) for line in file)
    return " ".join(f"{name} {int(found[name].split()[0]) / 1024:.0f}" for name in ("RssAnon", "RssFile", "VmHWM"))

replay, rng = Replay.open(sys.argv[1]), np.random.default_rng(0)
for batches in (1, 200):
    for _ in range(batches):
        replay.sample(16, 50, rng)
    print(f"{memory()} after {batches} batches;", end=" ")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(("frames", "written"), [(1_000_000, False), (100_000, True)])
def test_what_a_large_replay_takes(tmp_path: Path, frames: int, written: bool) -> None:
    """Resident memory while batches are drawn: of a million frames in sparse files (zeros, so that the disk need not
    hold them; what is read is as long), and of a tenth of that in frames that are really there."""
    replay = Replay.create(tmp_path / "replay", frames, SHAPE, action_size=2, state_size=4, slack_rows=2)
    for number in range(frames // 500):
        if written:
            replay.add(episode(number % 8, 500))
        else:
            replay._index.append(number * 500, 500, 0)  # as `add` does, after it has written the rows
    command = [sys.executable, "-c", MILLION, str(replay.folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    size = sum(field.path(replay.folder).stat().st_size for field in replay.layout.fields())
    print(f"\n{replay.rows} rows, {size / 1e9:.1f} GB of files, MiB: {said}")
    assert int(said.split("VmHWM")[-1].split()[0]) < 1000
