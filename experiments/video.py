"""`open_loop.webp`: truth, model and error side by side; half filtered, half imagined."""

from __future__ import annotations

import functools
import io
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.draw import in_colour
from experiments.config import TrainConfig
from experiments.data_source import open_data
from experiments.unseen import kept_back, played
from worldmodel.episode import Episode
from worldmodel.insight.open_loop import OpenLoop, open_loop
from worldmodel.sequence_vae import SequenceVAE

PANELS = ("truth", "model", "error (grey: none)")
PANEL_PIXELS = 192
GAP, TITLE, CAPTION = 8, 22, 26
PAPER, INK, FILTERED, IMAGINED = (250, 249, 246), (40, 40, 44), (58, 125, 92), (196, 92, 46)
MILLISECONDS = 120  # per frame
ROWS = 60  # of the episode, from its start, where most happens


def write_video(model: SequenceVAE, config: TrainConfig, folder: Path) -> Path:
    """Play an episode that was never trained on and write the model's account of it; returns the file's path."""
    path = folder / "open_loop.webp"
    path.write_bytes(video(model, held_out_episode(model, config, folder), "WEBP", lossless=True, method=2))
    return path


def video(model: SequenceVAE, episode: Episode, format: str, **options: Any) -> bytes:
    """The model's account of an episode as an animated picture; format and options: as PIL calls them."""
    frames = draw(open_loop(model, episode, rows=min(ROWS, episode.rows)))
    first, *rest = [Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    first.save(file, format, save_all=True, append_images=rest, duration=MILLISECONDS, loop=0, **options)
    return file.getvalue()


def held_out_episode(model: SequenceVAE, config: TrainConfig, folder: Path) -> Episode:
    """One with the planner of ``config.collect``, its noise included, from a start that no training episode has.

    An offline run shows the first test episode of its data, or, where none was held out, the first one it trained on.
    """
    if config.data:
        return next(chain(kept_back(config, 1), open_data(config).train.episodes("train")))
    (episode,) = played(model, config, folder, [config.action_noise], config.seed, "video")
    return episode


def draw(loop: OpenLoop) -> np.ndarray:
    """Frames ``[rows, height, width, 3]`` uint8: three labelled panels over a bar that says what is shown."""
    return np.stack([frame(loop, row) for row in range(len(loop.truth))])


def frame(loop: OpenLoop, row: int) -> np.ndarray:
    panels = [enlarged(images[row]) for images in (loop.truth, loop.model, loop.error)]
    side = len(panels[0])
    canvas = Image.new("RGB", (3 * side + 4 * GAP, TITLE + side + CAPTION + GAP), PAPER)
    pen = ImageDraw.Draw(canvas)
    for i, (panel, title) in enumerate(zip(panels, PANELS, strict=True)):
        left = GAP + i * (side + GAP)
        canvas.paste(Image.fromarray(panel), (left, TITLE))
        pen.text((left + 1, 3), title, INK, font(14))
    caption(pen, loop, row, (GAP, TITLE + side + GAP // 2, canvas.width - GAP, canvas.height - GAP // 2))
    return np.asarray(canvas)


def caption(pen: ImageDraw.ImageDraw, loop: OpenLoop, row: int, box: tuple[int, int, int, int]) -> None:
    seen = row < loop.filtered
    text = f"step {row}: filtered, sees every frame" if seen else f"step {row}: imagined, sees nothing any more"
    if not seen:
        text += f" ({row - loop.filtered + 1} ahead)"
    left, top, right, bottom = box
    pen.rectangle(box, (228, 226, 220))
    done = left + (right - left) * (row + 1) // len(loop.truth)
    pen.rectangle((left, top, done, bottom), FILTERED if seen else IMAGINED)
    pen.text((left + 6, top + 4), text, INK, font(13), stroke_width=2, stroke_fill=(255, 255, 255))


@functools.lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def enlarged(image: np.ndarray) -> np.ndarray:
    """``[size, size, 3]`` of an image in any channels, whole pixels repeated: 6 times for images of 32."""
    times = max(1, PANEL_PIXELS // len(image))
    return in_colour(image).repeat(times, axis=0).repeat(times, axis=1)
