"""Writes that a crash or a power cut cannot leave half done."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Create or replace the file ``path``, so that at any moment it holds its old content or ``data``, never a part.

    Raises OSError (the old content is kept).
    """
    temporary = path.with_name(path.name + ".tmp")
    write_synced(temporary, data)
    os.replace(temporary, path)
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Write the file ``path`` and wait until the disk has it."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in ``folder``: a renamed file may otherwise go back to its old name."""
    if os.name == "nt":
        return  # Windows cannot open folders; its file system journals names by itself.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
