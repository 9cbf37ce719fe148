"""Which rows hold which episode: a log that only grows at its end, one record of 32 bytes per episode ever added.

All else follows from the log: the *position* is the number of its records; live are the newest whole episodes within
the capacity; and going back to a position is cutting the log there. A crash can leave a torn record at the end, which
its checksum betrays and which the next record overwrites.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

import numpy as np

_RECORD = np.dtype(
    [
        ("start", "<u8"),  # row of the files where the episode begins
        ("rows", "<u8"),
        ("total", "<u8"),  # rows of all episodes ever added, this one included
        ("content", "<u4"),  # checksum of the rows
        ("check", "<u4"),  # checksum of this record
    ]
)


class DamagedIndexError(Exception):
    """A record that is not the last one is not what was written."""


class ReplayIndex:
    """The log in memory and on disk. ``records [position]`` has the columns start, rows, total, content."""

    def __init__(self, path: Path) -> None:
        """Read the log at ``path``. Raises DamagedIndexError, OSError."""
        data = path.read_bytes()
        records = np.frombuffer(data[: len(data) // _RECORD.itemsize * _RECORD.itemsize], dtype=_RECORD)
        bad = [number for number, record in enumerate(records) if _check(record) != record["check"]]
        if bad and (bad[0] < len(records) - 1 or len(data) % _RECORD.itemsize):
            raise DamagedIndexError(f"record {bad[0]} of {len(records)} in {path.name} does not fit its checksum")
        self._path = path
        self.records = records[:-1].copy() if bad else records.copy()

    @property
    def position(self) -> int:
        """Number of episodes ever added."""
        return len(self.records)

    def first_live(self, position: int, capacity: int) -> int:
        """Number of the oldest episode live at ``position``: the newest whole episodes fill at most ``capacity``."""
        if position == 0:
            return 0
        before = self.records["total"][:position] - self.records["rows"][:position]
        surplus = max(0, int(self.records["total"][position - 1]) - capacity)
        return int(np.searchsorted(before, surplus))

    def place(self, rows: int, file_rows: int) -> int:
        """Row where an episode of ``rows`` goes: after the last one, or at 0 where the end of the files is too near."""
        if self.position == 0:
            return 0
        head = int(self.records[-1]["start"] + self.records[-1]["rows"])
        return head if head + rows <= file_rows else 0

    def is_taken(self, start: int, rows: int, first: int) -> bool:
        """Whether any episode from number ``first`` on lies in ``[start, start + rows)``."""
        kept = self.records[first:]
        return bool(np.any((kept["start"] < start + rows) & (kept["start"] + kept["rows"] > start)))

    def append(self, start: int, rows: int, content: int) -> None:
        """Add an episode whose rows the disk has. On OSError nothing is added."""
        total = rows + (int(self.records[-1]["total"]) if self.position else 0)
        record = np.array([(start, rows, total, content, 0)], dtype=_RECORD)
        record["check"] = _check(record[0])
        try:
            self._write_last(record)
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self._path, self.position * _RECORD.itemsize)
            raise
        self.records = np.concatenate([self.records, record])

    def _write_last(self, record: np.ndarray) -> None:
        with open(self._path, "r+b") as file:
            file.seek(self.position * _RECORD.itemsize)
            file.write(record.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def cut(self, position: int) -> None:
        """Forget the episodes from number ``position`` on."""
        with open(self._path, "r+b", buffering=0) as file:
            file.truncate(position * _RECORD.itemsize)
            os.fsync(file.fileno())
        self.records = self.records[:position].copy()


def _check(record: np.void) -> int:
    return zlib.crc32(record.tobytes()[: -_RECORD["check"].itemsize])
