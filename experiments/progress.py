"""How a run goes, for people: a live line on a terminal, one plain line per log point elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from experiments.config import TrainConfig
from experiments.live_line import LiveLine
from experiments.schedule import updates_before

MODEL = ("loss", "image", "reward", "kl", "open_loop_image", "open_loop_reward")
SHOWN = (*MODEL, "imagined_return", "critic_error", "actor_entropy", "temperature")


class TrainingProgress:
    """Implements `experiments.training.Progress`; use as a context manager.

    done: updates done before this process started, so that speed and time left are of this process.
    """

    def __init__(self, config: TrainConfig, done: int, console: Console | None = None) -> None:
        self._config, self._total = config, updates_before(config, config.rounds)
        self._first, self._updates, self._started = done, done, time.monotonic()
        self._losses: dict[str, float] = {}
        self._episodes, self._returns, self._lesson = 0, list[float](), ""
        self._line = LiveLine(console, self._total, lambda: (self._updates, self.line()))

    def __enter__(self) -> TrainingProgress:
        self._line.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._line.__exit__(*error)

    def updated(self, updates: int, losses: dict[str, float]) -> None:
        self._updates, self._losses, self._lesson = updates, losses, ""
        self._line.tell(updates, self.line())

    def collected(self, episodes: int, returns: list[float]) -> None:
        """``episodes`` in all, ``returns`` of the new ones."""
        self._episodes, self._returns = episodes, returns
        if self._line.live:
            self._line.show(self._updates, self.line())
        else:
            self._line.print(f"collected: {episodes} episodes, {self.mean_return()} of the last {len(returns)}")

    def taught(self, done: int, total: int, numbers: dict[str, float]) -> None:
        """The agent, in a finished model."""
        self._lesson = f"agent {done}/{total} {said(numbers)}"
        if self._line.live:
            self._line.show(self._updates, self.line())
        elif done == total:
            self._line.print(f"lesson: {self._lesson}")

    def tested(self, losses: dict[str, float]) -> None:
        """On the test episodes of an offline run."""
        self._line.print(f"held out: {said(losses)}")

    def line(self) -> str:
        """E.g. ``round 3/12 · update 700/3000 · loss 912 … · return 41.3 · 9.1 updates/s · 4659 frames/s · 4:13 left``.

        Frames are those trained on.
        """
        speed = (self._updates - self._first) / max(time.monotonic() - self._started, 1e-9)
        rounds = self._config.rounds
        number = next((n for n in range(1, rounds) if self._updates <= updates_before(self._config, n)), rounds)
        parts = [f"round {number}/{rounds}", f"update {self._updates}/{self._total}"]
        parts += [self._lesson or said(self._losses)]
        parts += [self.mean_return()] if self._returns else []
        if speed:
            parts += [f"{speed:.1f} updates/s", f"{speed * self._config.batch * self._config.length:.0f} frames/s"]
            parts += [f"{clock((self._total - self._updates) / speed)} left"]
        return " · ".join(part for part in parts if part)

    def mean_return(self) -> str:
        return f"return {sum(self._returns) / len(self._returns):.1f}"


def said(numbers: dict[str, float]) -> str:
    return " ".join(f"{name} {numbers[name]:.4g}" for name in SHOWN if name in numbers)


def clock(seconds: float) -> str:
    """``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
