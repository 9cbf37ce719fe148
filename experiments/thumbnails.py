"""A sheet of small pictures: an episode per line, its frames from left to right, its return beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from experiments.video import INK, PAPER, font
from worldmodel.episode import Episode

FRAMES = 10  # of each episode, evenly spread
SIDE, GAP, MARGIN, HEAD = 64, 4, 92, 26


def sheet(episodes: Sequence[Episode]) -> Image.Image:
    """Lines for ``episodes``, in their order."""
    width, height = MARGIN + FRAMES * (SIDE + GAP) + GAP, HEAD + len(episodes) * (SIDE + GAP) + GAP
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((GAP + 4, 5), "return", INK, font(13))
    pen.text((MARGIN, 5), "first frame", INK, font(13))
    pen.text((width - GAP, 5), "last frame", INK, font(13), anchor="ra")
    for line, episode in enumerate(episodes):
        top = HEAD + line * (SIDE + GAP)
        pen.text((GAP + 4, top + SIDE // 2 - 16), f"{episode.reward.sum():.4g}", INK, font(15))
        pen.text((GAP + 4, top + SIDE // 2 + 4), f"{episode.rows - 1} steps", (120, 120, 124), font(12))
        for column, row in enumerate(np.linspace(0, episode.rows - 1, FRAMES).round().astype(int)):
            small = Image.fromarray(coloured(episode.observation[row]))
            kind = Image.Resampling.NEAREST if small.height < SIDE else Image.Resampling.BOX
            canvas.paste(small.resize((SIDE, SIDE), kind), (MARGIN + column * (SIDE + GAP), top))
    return canvas


def coloured(image: np.ndarray) -> np.ndarray:
    """``[height, width, 3]``: the newest frame where frames are stacked as channels, grey where there is no colour."""
    channels = image.shape[-1]
    return image[..., -3:] if channels % 3 == 0 else image[..., -1:].repeat(3, axis=-1)
