"""`metrics.jsonl`: one line per log point, cut back to the checkpoint when a run is resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from worldmodel.durable import write_whole


class Metrics:
    """Appends lines; each is on the disk's way when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def cut(self, updates: int) -> None:
        """Keep only complete lines of at most ``updates``: what came after the checkpoint is going to be redone."""
        kept = [line for line in read(self._path) if line["updates"] <= updates]
        write_whole(self._path, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def write(self, updates: int, **values: Any) -> None:
        with open(self._path, "a") as file:
            file.write(json.dumps({"updates": updates, **values}) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a line torn by a crash is left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found
