"""The rows of a replay on disk: one raw file per field of `Episode`, row after row.

Rows are read and written with plain reads and writes, not through a memory map: pages of a map count as resident
memory until the system wants them back, and a write to a map on a full disk kills the process instead of raising.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from worldmodel.episode import Episode


class Layout(NamedTuple):
    """What a replay holds, fixed when it is created.

    capacity_rows: rows of the newest whole episodes to sample from.
    slack_rows: further rows of file, so that what is live now or was live at the mark is never overwritten.
    observation_shape: ``(height, width, channel)``.
    test_every: every so many episodes one is held out for tests; 0 for none.
    """

    capacity_rows: int
    slack_rows: int
    observation_shape: tuple[int, ...]
    action_size: int
    state_size: int
    test_every: int

    @property
    def file_rows(self) -> int:
        return self.capacity_rows + self.slack_rows

    @property
    def row_bytes(self) -> int:
        return sum(field.row_bytes for field in self.fields())

    def fields(self) -> tuple[Field, ...]:
        """One per field of `Episode`, in its order."""
        return (
            Field("observation", np.dtype(np.uint8), tuple(self.observation_shape)),
            Field("action", np.dtype(np.float32), (self.action_size,)),
            Field("reward", np.dtype(np.float32), ()),
            Field("terminated", np.dtype(np.bool_), ()),
            Field("is_first", np.dtype(np.bool_), ()),
            Field("state", np.dtype(np.float64), (self.state_size,)),
        )


class Field(NamedTuple):
    """One field of `Episode`: its type and the shape of one row."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def path(self, folder: Path) -> Path:
        return folder / f"{self.name}.rows"


def create_files(folder: Path, layout: Layout) -> None:
    """Make empty files of their final size; they are sparse, so the disk fills only as rows are written."""
    for field in layout.fields():
        with open(field.path(folder), "wb") as file:
            file.truncate(layout.file_rows * field.row_bytes)


def wrong_sizes(folder: Path, layout: Layout) -> Iterator[str]:
    """A sentence for every file that is missing or does not have its size."""
    for field in layout.fields():
        path, wanted = field.path(folder), layout.file_rows * field.row_bytes
        if not path.exists():
            yield f"{path.name} is missing."
        elif path.stat().st_size != wanted:
            yield f"{path.name} must have {wanted} bytes and has {path.stat().st_size}."


def write_rows(folder: Path, layout: Layout, start: int, episode: Episode) -> None:
    """Write a whole episode from row ``start`` on and wait until the disk has it. Raises OSError."""
    for field, array in zip(layout.fields(), episode, strict=True):
        with open(field.path(folder), "r+b") as file:
            file.seek(start * field.row_bytes)
            file.write(_raw(array))
            file.flush()
            os.fsync(file.fileno())


def read_windows(folder: Path, field: Field, starts: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out [batch, length, *field.shape]`` with ``counts [batch]`` rows from ``starts [batch]``; zeros after.

    Raises EOFError where the file is shorter than that, OSError.
    """
    if field.row_bytes == 0:
        return
    with open(field.path(folder), "rb", buffering=0) as file:
        for window, start, count in zip(out, starts.tolist(), counts.tolist(), strict=True):
            window[count:] = 0
            file.seek(start * field.row_bytes)
            _read_all(file, _raw(window[:count]))


def _read_all(file: io.FileIO, data: memoryview) -> None:
    while len(data):  # the system may give a part of it at a time
        got = file.readinto(data)
        if not got:
            raise EOFError(f"{file.name} ends too early")
        data = data[got:]


def checksum(episode: Episode) -> int:
    """CRC-32 of the content of all fields."""
    value = 0
    for array in episode:
        value = zlib.crc32(_raw(array), value)
    return value


def _raw(array: np.ndarray) -> memoryview:
    """The bytes of an array, without a copy where it is contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
