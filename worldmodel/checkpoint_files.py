"""A checkpoint on disk: a folder that is written whole or not at all, with a manifest that betrays any damage.

A save fills ``checkpoint-000007.tmp``, waits for the disk and renames it to ``checkpoint-000007``; a crash before that
leaves a temporary folder that the next save removes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from worldmodel.durable import sync_folder, write_synced

FORMAT = "worldmodel checkpoint"
VERSION = 1
_MANIFEST = "manifest.json"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or used: the rule, what came, and what to do."""


def write(folder: Path, files: Mapping[str, bytes], keep: int) -> Path:
    """Add a checkpoint of ``files`` to ``folder`` and remove all but the newest ``keep``. Raises CheckpointError."""
    names = _checkpoints(folder)
    number = _number(names[-1]) + 1 if names else 1
    path = folder / f"checkpoint-{number:06d}"
    temporary = path.with_suffix(".tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_temporaries(folder)
        _fill(temporary, files)
        os.rename(temporary, path)
        sync_folder(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise _not_written(folder, error, sum(map(len, files.values()))) from error
    _remove_old(folder, keep)
    return path


def newest(folder: Path) -> Path:
    """The checkpoint with the highest number in ``folder``; or ``folder`` when it is a checkpoint itself."""
    if folder.is_file():
        raise CheckpointError(f"A checkpoint is a folder; {folder} is a file. Give the folder that holds it.")
    if (folder / _MANIFEST).exists():
        return folder
    names = _checkpoints(folder)
    if not names:
        came = "has none" if folder.is_dir() else "does not exist"
        raise CheckpointError(f"A checkpoint is looked for in a folder that holds one; {folder} {came}. Train first.")
    return names[-1]


def read(path: Path, name: str) -> bytes:
    """The content of one file of the checkpoint ``path``, found to be exactly what was written."""
    entry = _manifest(path).get(name)
    if not isinstance(entry, dict):
        raise CheckpointError(f"A checkpoint must list {name} in its manifest; {path} does not. {_advice(path)}")
    try:
        data = (path / name).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"A checkpoint must be whole; {path / name} cannot be read: {error}. {_advice(path)}"
        ) from error
    if len(data) != entry.get("bytes"):
        raise CheckpointError(
            f"A checkpoint must be whole; {path / name} has {len(data)} of {entry.get('bytes')} bytes. {_advice(path)}"
        )
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise CheckpointError(
            f"A checkpoint must be as it was written; the content of {path / name} does not fit its checksum. "
            f"{_advice(path)}"
        )
    return data


def _manifest(path: Path) -> dict[str, object]:
    try:
        manifest = json.loads((path / _MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"A checkpoint must have a readable {_MANIFEST}; {path} has none: {error}. {_advice(path)}"
        ) from error
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or not isinstance(manifest.get("files"), dict)
    ):
        raise CheckpointError(
            f"{_MANIFEST} of a checkpoint must say {FORMAT!r}; that of {path} does not. "
            "It was written by another program: give a checkpoint of this one."
        )
    if manifest.get("version") != VERSION:
        raise CheckpointError(
            f"This program reads version {VERSION} of the checkpoint format; {path} has version "
            f"{manifest.get('version')}. Use the release that wrote it, or train again."
        )
    return manifest["files"]


def _advice(path: Path) -> str:
    others = [other for other in _checkpoints(path.parent.absolute()) if other.name != path.name]
    return f"Give {others[-1]} instead." if others else "Take it from a copy, or train again."


def _fill(temporary: Path, files: Mapping[str, bytes]) -> None:
    temporary.mkdir()
    entries = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    for name, data in files.items():
        write_synced(temporary / name, data)
    manifest = {"format": FORMAT, "version": VERSION, "files": entries}
    write_synced(temporary / _MANIFEST, json.dumps(manifest, indent=1).encode())
    sync_folder(temporary)


def _checkpoints(folder: Path) -> list[Path]:
    """Oldest first."""
    paths = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(paths, key=_number)


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _remove_old(folder: Path, keep: int) -> None:
    for path in _checkpoints(folder)[:-keep]:
        os.rename(path, path.with_suffix(".tmp"))  # so that a crash leaves no half a checkpoint under a good name
    _remove_temporaries(folder)


def _remove_temporaries(folder: Path) -> None:
    for path in folder.glob("checkpoint-*.tmp"):
        shutil.rmtree(path)


def _not_written(folder: Path, error: OSError, size: int) -> CheckpointError:
    if error.errno != errno.ENOSPC:
        return CheckpointError(f"A checkpoint could not be written to {folder}: {error}. The last good one is kept.")
    return CheckpointError(
        f"A checkpoint needs {size / 2**20:.1f} MiB of disk; {folder} has "
        f"{shutil.disk_usage(folder).free / 2**20:.1f} MiB free. The last good one is kept: free some space and go on."
    )
