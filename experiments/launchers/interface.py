"""The contract of all launchers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Done = Generator[tuple[Item, Callable[[], Result]], None, None]
"""Items, each as soon as it is done, with a function that returns its result or raises what kept it from one."""


class WorkFailed(RuntimeError):
    """The last words of work that failed elsewhere, and where all of them lie."""


class Launcher(Protocol):
    """What it needs is checked, with a UserError, when it is made; nothing starts before `run`."""

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Done[Item, Result]:
        """Do ``work`` on every item; one that fails leaves the others alone. `close` ends what is still going on.

        ``work`` is a function of a module, and item and result can be pickled: they may travel to another machine.
        """
        ...
