"""What comes of launched work, told line by line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing

from experiments.launchers.interface import Item, Launcher, Result


class SomeFailed(RuntimeError):
    """Some of the work came to no result; which, was told."""


def tell_each(
    launcher: Launcher,
    work: Callable[[Item], Result],
    items: Sequence[Item],
    name: Callable[[Item], str],
    line: Callable[[Item, Result], str],
) -> int:
    """A line for each item that is done, one on the error output for each that failed. Returns how many failed."""
    failed = 0
    with closing(launcher.run(work, items)) as outcomes:
        for item, result in outcomes:
            try:
                print(line(item, result()), flush=True)
            except Exception as error:  # the others are worth their own time
                failed += 1
                print(f"{name(item)} failed: {error}", file=sys.stderr, flush=True)
    return failed
