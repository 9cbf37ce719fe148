"""Processor time of several things that are compared, taken in turns: what slows the machine down slows them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def cpu_seconds(*decides: Callable[[], object], rounds: int) -> list[float]:
    """Median of each over ``rounds``, after one that is not counted."""
    times: list[list[float]] = [[] for _ in decides]
    for decide in decides:
        decide()
    for _ in range(rounds):
        for decide, taken in zip(decides, times, strict=True):
            started = time.process_time()
            decide()
            taken.append(time.process_time() - started)
    return [statistics.median(taken) for taken in times]
