"""Colour scales of maps, the same on the page and in figures; readable on white and on black."""

from __future__ import annotations

import numpy as np

SCALE = (
    "#4d57b7",
    "#007ac3",
    "#009ab8",
    "#00b299",
    "#5ac06f",
    "#b3c446",
    "#f7c243",
)  # even in OKLCH, from dark to light
CIRCLE = (
    "#e17174",
    "#d28425",
    "#9e9f1e",
    "#3fb171",
    "#00b1ba",
    "#3f9fe8",
    "#9887e8",
    "#cc75ba",
    "#e17174",
)  # equally light


def colours_of(shares: np.ndarray, stops: tuple[str, ...]) -> np.ndarray:
    """``[...]`` in [0, 1] -> ``[..., 3]`` uint8, between the stops."""
    known = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(shares, at, known[:, channel]) for channel in range(3)], -1).round().astype(np.uint8)
