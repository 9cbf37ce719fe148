"""How collecting goes, for people: a live line on a terminal, one plain line per batch of episodes elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from experiments.live_line import LiveLine
from experiments.progress import clock

REFRESH = 0.2  # seconds


class CollectProgress:
    """Implements `experiments.collect.Told`; use as a context manager.

    done: episodes stored before this process began, so that speed and time left are of this process.
    """

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        self._total, self._first, self._episodes = total, done, done
        self._started, self._shown = time.monotonic(), 0.0
        self._frames, self._returns = 0, list[float]()
        self._line = LiveLine(console, total, lambda: (self._episodes, self.line()))

    def __enter__(self) -> CollectProgress:
        self._line.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._line.__exit__(*error)

    @property
    def live(self) -> bool:
        """Whether there is a terminal to show every change on."""
        return self._line.live

    def stepped(self, frames: int) -> None:
        self._frames += frames
        if self.live and time.monotonic() - self._shown > REFRESH:
            self._shown = time.monotonic()
            self._line.show(self._episodes, self.line())

    def stored(self, episodes: int, returns: list[float]) -> None:
        """``episodes`` in all, ``returns`` of the new ones."""
        self._episodes, self._returns = episodes, returns
        self._line.tell(episodes, self.line())

    def line(self) -> str:
        """E.g. ``episode 20/100 · return 23.1 · 12345 frames/s · 0:02 left``."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        parts = [f"episode {self._episodes}/{self._total}"]
        if self._returns:
            parts.append(f"return {sum(self._returns) / len(self._returns):.1f}")
        if self._frames:
            parts.append(f"{self._frames / seconds:.0f} frames/s")
        if self._episodes > self._first:
            left = (self._total - self._episodes) * seconds / (self._episodes - self._first)
            parts.append(f"{clock(left)} left")
        return " · ".join(parts)
