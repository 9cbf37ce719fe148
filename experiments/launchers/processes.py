"""A pool of processes on this machine; one process is this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from functools import partial

from experiments.launchers.interface import Done, Item, Result
from experiments.shards import processes


class Processes:
    """Implements `experiments.launchers.interface.Launcher`: ``count`` items at a time."""

    def __init__(self, count: int) -> None:
        self._count = count

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Done[Item, Result]:
        with processes(self._count) as pool:
            if pool is None:
                yield from ((item, partial(work, item)) for item in items)
                return
            futures = {pool.submit(work, item): item for item in items}
            for future in as_completed(futures):
                yield futures[future], future.result
