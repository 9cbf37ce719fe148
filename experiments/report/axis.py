"""From numbers to places on an axis, in percent of its length: pages scale, so nothing is in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

NICE = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Axis:
    """low to high, even where ``log`` is false, else by ratio (both then greater than 0)."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """0 at the low end, 100 at the high end; held within these."""
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, max(value, self.low)))
        return min(100.0, 100 * (at - low) / (high - low))

    def ticks(self) -> list[float]:
        """Round numbers: evenly spaced, or on a logarithmic axis 1, 2, 5 and their tenfolds (more on a short one)."""
        if not self.log:
            step = round_step((self.high - self.low) / 5)
            first = math.ceil(self.low / step - 1e-9)
            return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        ratio = self.high / self.low
        round_ones = (1,) if ratio > 300 else (1, 2, 5) if ratio > 10 else (1, 1.5, 2, 3, 5, 7)
        return [m * 10.0**p for p in powers for m in round_ones if self.low <= m * 10.0**p <= self.high]

    def labels(self) -> list[tuple[float, str]]:
        """The ticks, each with as many digits as tell them apart."""
        ticks = self.ticks()
        said = [[short(tick, digits) for tick in ticks] for digits in range(3, 16)]
        return list(zip(ticks, next((words for words in said if len(set(words)) == len(ticks)), said[-1]), strict=True))


def axis_around(values: Iterable[float], log: bool = False) -> Axis:
    """An axis that shows all of ``values`` with some room; finite values only."""
    shown = np.array([x for x in values if math.isfinite(x)])
    low, high = float(shown.min()), float(shown.max())
    if log:
        return Axis(low / 1.3, high * 1.3, log=True)
    room = 0.06 * (high - low) or max(1.0, 0.1 * abs(high))
    return Axis(low - room, high + room)


def round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(n * power for n in NICE if n * power >= step * (1 - 1e-9))


def short(value: float, digits: int = 3) -> str:
    """E.g. ``0.25``, ``72.9``, ``20k``."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.{digits}g}M"
    return f"{value / 1e3:.{digits}g}k" if abs(value) >= 1e3 else f"{value:.{digits}g}"
