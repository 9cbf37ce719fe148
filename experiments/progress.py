"""How a run goes, for people: a live line on a terminal, one plain line per log point elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from experiments.config import TrainConfig

MODEL = ("loss", "image", "reward", "kl", "open_loop_image", "open_loop_reward")
SHOWN = (*MODEL, "imagined_return", "critic_error", "actor_entropy", "temperature")


class TrainingProgress:
    """Implements `experiments.train.Progress`; use as a context manager.

    done: updates done before this process started, so that speed and time left are of this process.
    """

    def __init__(self, config: TrainConfig, done: int, console: Console | None = None) -> None:
        self._config, self._console = config, console or Console()
        self._total = config.rounds * config.updates
        self._first, self._updates, self._started = done, done, time.monotonic()
        self._losses: dict[str, float] = {}
        self._episodes, self._returns = 0, list[float]()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> TrainingProgress:
        if self._console.is_terminal:
            self._bar = Progress(BarColumn(24), TextColumn("{task.description}"), console=self._console)
            self._task = self._bar.add_task(self.line(), total=self._total, completed=self._updates)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def updated(self, updates: int, losses: dict[str, float]) -> None:
        self._updates, self._losses = updates, losses
        self._say(self.line())

    def collected(self, episodes: int, returns: list[float]) -> None:
        """``episodes`` in all, ``returns`` of the new ones."""
        self._episodes, self._returns = episodes, returns
        if self._bar:
            self._say(self.line())
        else:
            self._say(f"collected: {episodes} episodes, {self.mean_return()} of the last {len(returns)}")

    def tested(self, losses: dict[str, float]) -> None:
        """On the test episodes of an offline run."""
        said = "held out: " + " ".join(f"{name} {losses[name]:.4g}" for name in SHOWN if name in losses)
        print(said, file=self._console.file, flush=True) if self._bar is None else self._bar.console.print(said)

    def line(self) -> str:
        """E.g. ``round 3/12 · update 700/3000 · loss 912 … · return 41.3 · 9.1 updates/s · 4659 frames/s · 4:13 left``.

        Frames are those trained on.
        """
        speed = (self._updates - self._first) / max(time.monotonic() - self._started, 1e-9)
        round_number = min(max(self._updates - 1, 0) // self._config.updates + 1, self._config.rounds)
        parts = [f"round {round_number}/{self._config.rounds}", f"update {self._updates}/{self._total}"]
        parts += [" ".join(f"{name} {self._losses[name]:.4g}" for name in SHOWN if name in self._losses)]
        parts += [self.mean_return()] if self._returns else []
        if speed:
            parts += [f"{speed:.1f} updates/s", f"{speed * self._config.batch * self._config.length:.0f} frames/s"]
            parts += [f"{clock((self._total - self._updates) / speed)} left"]
        return " · ".join(part for part in parts if part)

    def mean_return(self) -> str:
        return f"return {sum(self._returns) / len(self._returns):.1f}"

    def _say(self, line: str) -> None:
        if self._bar:
            self._bar.update(self._task, completed=self._updates, description=line)
        else:
            print(line, file=self._console.file, flush=True)  # plain: no markup, no wrapping


def clock(seconds: float) -> str:
    """``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
