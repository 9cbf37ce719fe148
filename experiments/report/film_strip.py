"""Rows of small pictures with a name each, as one image."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from envs.draw import in_colour
from experiments.report.sprites import data_uri, small

GAP = 2  # pixels between pictures, before they are enlarged


def film_strip(rows: Sequence[tuple[str, np.ndarray]], says: str) -> str:
    """HTML. rows: name and pictures ``[count, height, width, channel]`` uint8. says: for those who cannot see it."""
    lines = "".join(
        f'<span>{escape(name)}</span><img src="{data_uri(strip(pictures))}" alt="{escape(f"{name}: {says}")}">'
        for name, pictures in rows
    )
    return f'<div class="strip">{lines}</div>'


def strip(pictures: np.ndarray) -> np.ndarray:
    """``[count, ...]`` side by side, ``[height, width, 4]``, small ones with every pixel doubled or more."""
    shown = small(in_colour(pictures))
    times = max(1, 64 // shown.shape[1])
    opaque = np.concatenate([shown, np.full_like(shown[..., :1], 255)], -1)
    padded = np.pad(opaque, ((0, 0), (0, 0), (0, GAP), (0, 0)))
    side_by_side = np.concatenate(list(padded), axis=1)[:, :-GAP]
    return side_by_side.repeat(times, 0).repeat(times, 1)
