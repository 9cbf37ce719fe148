"""How collecting goes, for people: a live line on a terminal, one plain line per batch of episodes elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from experiments.progress import clock

REFRESH = 0.2  # seconds


class CollectProgress:
    """Implements `experiments.collect.Told`; use as a context manager.

    done: episodes stored before this process began, so that speed and time left are of this process.
    """

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        self._total, self._first, self._episodes = total, done, done
        self._console = console or Console()
        self._started, self._shown = time.monotonic(), 0.0
        self._frames, self._returns = 0, list[float]()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> CollectProgress:
        if self._console.is_terminal:
            self._bar = Progress(BarColumn(24), TextColumn("{task.description}"), console=self._console)
            self._task = self._bar.add_task(self.line(), total=self._total, completed=self._episodes)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    @property
    def live(self) -> bool:
        """Whether there is a terminal to show every change on."""
        return self._bar is not None

    def stepped(self, frames: int) -> None:
        self._frames += frames
        if self._bar and time.monotonic() - self._shown > REFRESH:
            self._shown = time.monotonic()
            self._bar.update(self._task, completed=self._episodes, description=self.line())

    def stored(self, episodes: int, returns: list[float]) -> None:
        """``episodes`` in all, ``returns`` of the new ones."""
        self._episodes, self._returns = episodes, returns
        if self._bar:
            self._bar.update(self._task, completed=episodes, description=self.line())
        else:
            print(self.line(), file=self._console.file, flush=True)

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
