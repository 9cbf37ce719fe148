"""Replay on disk: the newest episodes, sampled as windows that never cross an episode's end.

The memory that it needs does not grow with what it holds. An episode is added whole or not at all, whatever crashes,
and a replay can be taken back, to the bit, to where it was when a checkpoint was written:

    replay = Replay.create(folder, 100_000, observation_shape=(64, 64, 3), action_size=1)
    replay.add(episode)
    batch = replay.sample(16, 32, rng)
    ...
    position = replay.position()      # goes into the checkpoint; after the checkpoint is on the disk:
    replay.mark(position)             # from here on nothing that was live at `position` is overwritten
    ...
    replay = Replay.open(folder)      # after a crash
    replay.rewind(position)           # episodes added since are dropped, those dropped since are back
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldmodel.durable import sync_folder, write_synced, write_whole
from worldmodel.episode import Episode, check
from worldmodel.replay_index import DamagedIndexError, ReplayIndex
from worldmodel.replay_rows import Layout, checksum, create_files, read_windows, write_rows, wrong_sizes
from worldmodel.window_places import even_places, paid_places, starts_of

_FORMAT = "worldmodel replay 1"
_SLACK_ROWS = 2048

Split = Literal["train", "test"]


class ReplayError(RuntimeError):
    """The replay cannot do what was asked: the rule, what came, and what to do."""


class Batch(NamedTuple):
    """Windows of episodes; row conventions as in `Episode`. Rows past an episode's end are zeros and not valid.

    The first row of a window is in general not the first of its episode: its action is true but has no row before it.

    observation: ``[batch, length, height, width, channel]`` uint8.
    action: ``[batch, length, action]`` float32.
    reward: ``[batch, length]`` float32.
    terminated, is_first, valid: ``[batch, length]`` bool.
    state: ``[batch, length, state]`` float64.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    is_first: Tensor
    state: Tensor
    valid: Tensor


def default_slack(capacity_rows: int) -> int:
    """Rows beside the capacity: enough for two episodes in any case, and for some time between two marks."""
    return max(capacity_rows // 4, min(2 * capacity_rows, _SLACK_ROWS))


def bytes_needed(
    capacity_rows: int,
    observation_shape: tuple[int, ...],
    action_size: int,
    state_size: int = 0,
    slack_rows: int | None = None,
) -> int:
    """Disk space of a full replay in bytes (32 more per episode ever added)."""
    slack = default_slack(capacity_rows) if slack_rows is None else slack_rows
    layout = Layout(capacity_rows, slack, observation_shape, action_size, state_size, test_every=0)
    return layout.file_rows * layout.row_bytes


class Replay:
    """The newest whole episodes that fit into ``layout.capacity_rows``, in a ring of rows on disk.

    One process may add; objects that were opened earlier in other processes do not see what it adds.
    """

    def __init__(self, folder: Path, layout: Layout, index: ReplayIndex, mark: int | None) -> None:
        """Use `create` or `open`."""
        self.folder = folder
        self.layout = layout
        self._index = index
        self._mark = mark
        self._read_at, self._read_rewards = -1, np.empty(0, np.float32)

    @classmethod
    def create(
        cls,
        folder: str | Path,
        capacity_rows: int,
        observation_shape: tuple[int, ...],
        action_size: int,
        state_size: int = 0,
        slack_rows: int | None = None,
        test_every: int = 0,
    ) -> Replay:
        """Make an empty replay in a new folder, see `Layout`. Raises ReplayError where the disk lacks the room."""
        slack = default_slack(capacity_rows) if slack_rows is None else slack_rows
        layout = Layout(capacity_rows, slack, tuple(observation_shape), action_size, state_size, test_every)
        folder = Path(folder)
        _check_layout(layout)
        if (folder / "replay.json").exists():
            raise ReplayError(f"A replay must be created in a new folder; {folder} holds one. Open it or delete it.")
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(folder, layout)
        create_files(folder, layout)
        write_synced(folder / "episodes.log", b"")
        write_synced(folder / "mark.json", b"null")
        sync_folder(folder)
        write_whole(folder / "replay.json", json.dumps({"format": _FORMAT, **layout._asdict()}).encode())
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | Path) -> Replay:
        """Open a replay as its last `add` left it. Raises ReplayError when there is none or it is damaged."""
        folder = Path(folder)
        if not (folder / "replay.json").exists():
            raise ReplayError(f"A replay folder holds replay.json; {folder} does not. Create the replay first.")
        try:
            layout = _read_layout(folder)
            index = ReplayIndex(folder / "episodes.log")
            mark = json.loads((folder / "mark.json").read_bytes())
        except (DamagedIndexError, OSError, ValueError, TypeError, KeyError) as error:
            raise ReplayError(
                f"The files of a replay must be as they were written; in {folder} they are not: {error}. "
                "Restore the folder from a copy or collect again into a new one."
            ) from error
        for problem in wrong_sizes(folder, layout):
            raise ReplayError(
                f"The files of a replay must be whole; in {folder} {problem} "
                "Restore the folder from a copy or collect again into a new one."
            )
        return cls(folder, layout, index, mark)

    def add(self, episode: Episode) -> None:
        """Append an episode; the oldest ones are dropped where the capacity demands it. On the disk when it returns.

        Raises ValueError for a faulty episode (see `worldmodel.episode.check`), ReplayError when there is no room; the
        replay is then as before.
        """
        check(episode)
        self._check_fit(episode)
        start = self._free_rows(episode.rows)
        try:
            write_rows(self.folder, self.layout, start, episode)
            self._index.append(start, episode.rows, checksum(episode))
        except OSError as error:
            raise self._not_added(error, episode) from error

    def position(self) -> int:
        """Number of episodes ever added; what a checkpoint stores for `mark` and `rewind`."""
        return self._index.position

    def fingerprint(self) -> str:
        """Digest of the live episodes, from their stored checksums: equal for equal episodes in the same places."""
        return hashlib.sha256(self._index.records[self._first_live() :].tobytes()).hexdigest()

    @property
    def rows(self) -> int:
        """Number of live rows."""
        return int(self._index.records["rows"][self._first_live() :].sum())

    def mark(self, position: int) -> None:
        """Keep every position from ``position`` to now within reach of `rewind`, until the next mark.

        Call it after a checkpoint is on the disk, with the position in the oldest checkpoint that is kept. Between two
        marks ``slack_rows`` less two episodes can be added.
        """
        if not (self._mark or 0) <= position <= self.position():
            raise ReplayError(self._out_of_reach(position))
        self._write_mark(position)

    def rewind(self, position: int) -> None:
        """Go back to ``position``: exactly the episodes live then are live again.

        ``position`` must not be before the mark; 0 starts over, without a mark. Raises ReplayError.
        """
        lowest = self.position() if self._mark is None else self._mark
        if position != 0 and not lowest <= position <= self.position():
            raise ReplayError(self._out_of_reach(position))
        if position == 0:
            self._write_mark(None)
        self._index.cut(position)
        self._read_at = -1  # other episodes may come at the same position

    def _write_mark(self, mark: int | None) -> None:
        write_whole(self.folder / "mark.json", json.dumps(mark).encode())
        self._mark = mark

    def count(self, split: Split) -> int:
        """Number of live episodes of the split."""
        return len(self._numbers(split))

    def episodes(self, split: Split, most: int | None = None) -> Iterator[Episode]:
        """The live episodes, oldest first, or ``most`` of them, evenly spread; each checked against its checksum.

        Raises ReplayError.
        """
        numbers = self._numbers(split)
        every = 1 if most is None else max(1, -(-len(numbers) // most))
        for number in numbers[::every]:
            yield self._read(int(number))

    def lengths(self, split: Split) -> np.ndarray:
        """Rows of the live episodes, oldest first."""
        return self._index.records["rows"][self._numbers(split)].astype(np.int64)

    def returns(self, split: Split) -> np.ndarray:
        """Sums of the live episodes' rewards, oldest first."""
        return np.array([float(reward.sum()) for reward in self._column("reward", split)])

    def terminations(self, split: Split) -> int:
        """How many of the live episodes terminated."""
        return sum(bool(terminated[-1]) for terminated in self._column("terminated", split))

    def _column(self, name: str, split: Split) -> Iterator[np.ndarray]:
        """One field of the live episodes, ``[rows, ...]`` each, read alone."""
        field = next(field for field in self.layout.fields() if field.name == name)
        for record in self._index.records[self._numbers(split)]:
            start, rows = np.array([int(record["start"])]), np.array([int(record["rows"])])
            out = np.empty((1, int(rows[0]), *field.shape), field.dtype)
            read_windows(self.folder, field, start, rows, out)
            yield out[0]

    def sample(self, batch: int, length: int, rng: np.random.Generator, paid: int = 0) -> Batch:
        """Draw ``batch`` windows of ``length`` rows from the episodes of the split "train", with replacement.

        paid: how many of them hold a row that pays more than the mean. See `worldmodel.window_places`. Only episodes
        shorter than ``length`` are padded.
        """
        numbers = self._numbers("train")
        if batch < 1 or length < 1:
            raise ReplayError(f"batch and length must be at least 1; {batch} and {length} came. Ask for more.")
        if not 0 <= paid <= batch:
            raise ReplayError(f"paid must be 0 to batch, {batch}; {paid} came. Ask for fewer.")
        if len(numbers) == 0:
            raise ReplayError("Windows are drawn from episodes of the split train; there are none yet. Add some first.")
        records = self._index.records[numbers]
        rows = records["rows"].astype(np.int64)
        places = even_places(rows, length, batch - paid, rng)
        if paid:
            places = np.concatenate([paid_places(rows, self._rewards(), length, paid, rng), places])
        chosen, offset = starts_of(places, rows, length)
        starts = records["start"][chosen].astype(np.int64) + offset
        return self._windows(starts, np.minimum(rows[chosen], length), length)

    def _rewards(self) -> np.ndarray:
        """Of all rows that are trained on, read once for all windows that are drawn until the next episode."""
        if self._read_at != self.position():
            self._read_rewards = np.concatenate(list(self._column("reward", "train")))
            self._read_at = self.position()
        return self._read_rewards

    def _windows(self, starts: np.ndarray, counts: np.ndarray, length: int) -> Batch:
        fields = []
        for field in self.layout.fields():
            out = np.empty((len(starts), length, *field.shape), field.dtype)
            try:
                read_windows(self.folder, field, starts, counts, out)
            except EOFError as error:
                raise ReplayError(
                    f"The files of a replay must be whole; {error}. Collect into a new folder."
                ) from error
            fields.append(torch.from_numpy(out))
        fields.append(torch.from_numpy(np.arange(length) < counts[:, None]))
        return Batch(*fields)

    def _read(self, number: int) -> Episode:
        record = self._index.records[number]
        rows = int(record["rows"])
        batch = self._windows(np.array([int(record["start"])]), np.array([rows]), rows)
        episode = Episode(*(field[0].numpy() for field in batch[:-1]))
        if checksum(episode) != record["content"]:
            raise ReplayError(
                f"Stored episodes must be as they were added; episode {number} in {self.folder} does not fit its "
                "checksum. Restore the folder from a copy or collect again into a new one."
            )
        return episode

    def _first_live(self) -> int:
        return self._index.first_live(self.position(), self.layout.capacity_rows)

    def _numbers(self, split: Split) -> np.ndarray:
        numbers = np.arange(self._first_live(), self.position())
        every = self.layout.test_every
        held_out = numbers % every == every - 1 if every else np.zeros(len(numbers), dtype=bool)
        return numbers[held_out if split == "test" else ~held_out]

    def _free_rows(self, rows: int) -> int:
        """Rows for a new episode that belong to none live now (a crash would lose it) nor live at or after the mark."""
        start = self._index.place(rows, self.layout.file_rows)
        kept = self.position() if self._mark is None else self._mark
        if self._index.is_taken(start, rows, self._index.first_live(kept, self.layout.capacity_rows)):
            since = "" if self._mark is None else f" (last mark: {self._mark}, episodes now: {self.position()})"
            raise ReplayError(
                f"Episodes live now or at the last mark are never overwritten; one of {rows} rows would{since}. "
                f"Write checkpoints and call mark() more often, or create the replay with more than "
                f"{self.layout.slack_rows} slack_rows: those added between two marks plus two episodes."
            )
        return start

    def _check_fit(self, episode: Episode) -> None:
        for field, array in zip(self.layout.fields(), episode, strict=True):
            if array.shape[1:] != field.shape:
                raise ReplayError(
                    f"Rows of {field.name} must have the shape {field.shape} that the replay was created with; "
                    f"{array.shape[1:]} came. Create another replay for another environment."
                )
        if episode.rows > self.layout.capacity_rows:
            raise ReplayError(
                f"An episode must fit into the capacity of {self.layout.capacity_rows} rows; one of {episode.rows} "
                "rows came. Create the replay with a greater capacity."
            )

    def _not_added(self, error: OSError, episode: Episode) -> ReplayError:
        if error.errno != errno.ENOSPC:
            return ReplayError(f"An episode could not be written to {self.folder}: {error}. The replay is as before.")
        return ReplayError(
            f"An episode needs {_mib(episode.rows * self.layout.row_bytes)} of disk; {self.folder} has "
            f"{_mib(shutil.disk_usage(self.folder).free)} free. The replay keeps its {self.position()} episodes: free "
            "some space and go on."
        )

    def _out_of_reach(self, position: int) -> str:
        return (
            f"A replay can go back no further than its mark ({self._mark}) and not beyond its last position "
            f"({self.position()}); {position} came for the one in {self.folder}. "
            "Use the newest checkpoint that belongs to this replay."
        )


def _check_layout(layout: Layout) -> None:
    smallest = Layout(2, 2, (), 1, 0, 0)
    shape = layout.observation_shape
    if len(shape) != 3 or min(shape) < 1:
        raise ReplayError(f"observation_shape must be (height, width, channel); {shape} came.")
    for name in ("capacity_rows", "slack_rows", "action_size", "state_size", "test_every"):
        if getattr(layout, name) < getattr(smallest, name):
            raise ReplayError(f"{name} must be at least {getattr(smallest, name)}; {getattr(layout, name)} came.")
    if layout.test_every == 1:
        raise ReplayError("test_every must be 0 or at least 2; 1 came, which leaves no episode to train on.")


def _check_room(folder: Path, layout: Layout) -> None:
    needed, free = layout.file_rows * layout.row_bytes, shutil.disk_usage(folder).free
    if needed > free:
        raise ReplayError(
            f"A replay of {layout.capacity_rows} + {layout.slack_rows} rows needs {_mib(needed)} of disk when full; "
            f"{folder} has {_mib(free)} free. Ask for fewer rows or free some space."
        )


def _read_layout(folder: Path) -> Layout:
    stored = json.loads((folder / "replay.json").read_bytes())
    form = stored.pop("format", None)
    if form != _FORMAT:
        raise ValueError(f"replay.json must say {_FORMAT!r} and says {form!r}")
    return Layout(**stored)._replace(observation_shape=tuple(stored["observation_shape"]))


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
