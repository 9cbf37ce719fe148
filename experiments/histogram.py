"""A histogram in text, for terminals of 80 columns."""

from __future__ import annotations

import numpy as np

WIDTH = 44  # of the longest bar
EIGHTHS = " ▏▎▍▌▋▊▉█"


def histogram(values: np.ndarray, bins: int = 10) -> list[str]:
    """One line per bin: its limits, a bar, how many values; a single line where all values are alike."""
    if np.ptp(values) == 0:
        return [f"{values[0]:>10.4g}               {'█' * WIDTH} {len(values)}"]
    counts, edges = np.histogram(values, bins=min(bins, len(values)))
    return [
        f"{low:>10.4g} to {high:<10.4g} {bar(count / counts.max()):<{WIDTH}} {count}"
        for low, high, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    ]


def bar(share: float) -> str:
    """Of `WIDTH` columns for 1, drawn to an eighth of a column."""
    whole, rest = divmod(round(8 * WIDTH * share), 8)
    return "█" * whole + (EIGHTHS[rest] if rest else "")
