"""A line that changes on a terminal, behind a bar of what is done."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn


class LiveLine:
    """Nothing is shown where the console is no terminal. Use as a context manager.

    first: what it begins with, asked for when it begins: how much of ``total`` is done, and the line.
    """

    def __init__(self, console: Console | None, total: int, first: Callable[[], tuple[int, str]]) -> None:
        self.console = console or Console()
        self._total, self._first = total, first
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> LiveLine:
        if self.console.is_terminal:
            done, line = self._first()
            self._bar = Progress(BarColumn(24), TextColumn("{task.description}"), console=self.console)
            self._task = self._bar.add_task(line, total=self._total, completed=done)
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

    def show(self, done: int, line: str) -> None:
        """Change the line, where there is one."""
        if self._bar:
            self._bar.update(self._task, completed=done, description=line)

    def tell(self, done: int, line: str) -> None:
        """`show`, or `print` where there is no live line."""
        if self._bar:
            self.show(done, line)
        else:
            self.print(line)

    def print(self, line: str) -> None:
        """A line that stays, above the live one; plain, without markup or wrapping, where there is none."""
        if self._bar:
            self._bar.console.print(line)
        else:
            print(line, file=self.console.file, flush=True)
