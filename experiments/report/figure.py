"""Figures for papers: dots, lines, bands, pictures and text, drawn at twice their size and then shrunk."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.draw import in_colour
from experiments.report.axis import Axis
from experiments.report.line_chart import Series, axes_of, finite

OVER = 2  # drawn so many times larger
PAPER, INK, SOFT, FAINT = (255, 255, 255), (29, 35, 43), (93, 103, 115), (228, 226, 220)
COLOURS = ("#3465a4", "#c4501b", "#2e8b57", "#9a3d8c", "#a67c00", "#0f8b99", "#b3354a", "#6b6f76")  # those of the page
DASH = 8

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the figure


class Figure:
    """White, ``width`` × ``height`` pixels. Places are ``[..., 2]`` in these pixels, from the left top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (OVER * width, OVER * height), PAPER)
        self._pen = ImageDraw.Draw(self._image, "RGBA")

    def text(
        self, x: float, y: float, words: str, size: int = 15, colour: tuple[int, ...] = INK, anchor: str = "la"
    ) -> None:
        """anchor: Pillow's, e.g. ``ma`` for the middle of the top."""
        self._pen.text((OVER * x, OVER * y), words, colour, font(OVER * size), anchor=anchor)

    def dots(self, places: np.ndarray, colours: np.ndarray, radius: float, alpha: int = 255) -> None:
        """colours ``[..., 3]`` uint8."""
        r = OVER * radius
        for (x, y), colour in zip((OVER * places).tolist(), colours.tolist(), strict=True):
            self._pen.ellipse((x - r, y - r, x + r, y + r), (*colour, alpha))

    def line(self, places: np.ndarray, colour: str, width: float = 2, alpha: int = 255, dashed: bool = False) -> None:
        points = OVER * places
        for part in dashes(points) if dashed else [points]:
            if len(part) > 1:
                flat = [(x, y) for x, y in part.tolist()]
                self._pen.line(flat, (*rgb(colour), alpha), round(OVER * width), joint="curve")

    def area(self, places: np.ndarray, colour: str, alpha: int) -> None:
        self._pen.polygon([(x, y) for x, y in (OVER * places).tolist()], (*rgb(colour), alpha))

    def picture(self, x: float, y: float, picture: np.ndarray, side: float) -> None:
        """``[height, width, channel]`` uint8, ``side`` pixels wide; small ones keep their pixels."""
        pixels = round(OVER * side)
        shown = Image.fromarray(in_colour(picture)).resize((pixels, pixels), Image.Resampling.NEAREST)
        self._image.paste(shown, (round(OVER * x), round(OVER * y)))

    def bar(self, x: float, y: float, width: float, height: float, colours: np.ndarray) -> None:
        """A scale of ``colours [steps, 3]`` from left to right."""
        strip = Image.fromarray(colours[None]).resize((round(OVER * width), round(OVER * height)))
        self._image.paste(strip, (round(OVER * x), round(OVER * y)))

    def save(self, path: Path) -> None:
        self._image.resize((self.width, self.height), Image.Resampling.LANCZOS).save(path, optimize=True)


def chart(figure: Figure, box: Box, title: str, series: Sequence[Series], unit: str, zero: bool = False) -> None:
    """The chart of `experiments.report.line_chart` in a box of a figure."""
    left, top, right, bottom = box[0] + 44, box[1] + 46, box[2] - 8, box[3] - 40
    figure.text(box[0], box[1], title, 16)
    series = [shown for shown in map(finite, series) if len(shown.x)]
    if not series:
        return figure.text(left, (top + bottom) / 2, "no finite value", 13, SOFT)
    x, y = axes_of(series, log=False, zero=zero)
    figure.text((left + right) / 2, box[3] - 14, unit, 12, SOFT, "mm")
    for value, said in y.labels():
        height = bottom - (bottom - top) * y.place(value) / 100
        figure.line(np.array([[left, height], [right, height]]), "#e4e2dc", 1)
        figure.text(left - 6, height, said, 12, SOFT, "rm")
    for value, said in x.labels():
        figure.text(left + (right - left) * x.place(value) / 100, bottom + 5, said, 12, SOFT, "ma")
    at = box[0]
    for one in series:
        curve(figure, (left, top, right, bottom), one, x, y)
        figure.line(np.array([[at, box[1] + 31], [at + 16, box[1] + 31]]), COLOURS[one.colour], 3, dashed=one.dashed)
        figure.text(at + 20, box[1] + 31, ascii_only(one.name), 12, SOFT, "lm")
        at += 34 + font(12).getlength(one.name)


def curve(figure: Figure, box: Box, one: Series, x: Axis, y: Axis) -> None:
    def put(xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        across, up = (np.array([axis.place(v) for v in values.tolist()]) for axis, values in ((x, xs), (y, ys)))
        return np.stack([box[0] + (box[2] - box[0]) * across / 100, box[3] - (box[3] - box[1]) * up / 100], -1)

    if one.low is not None and one.high is not None:
        around = np.r_[one.x, one.x[::-1]], np.r_[one.low, one.high[::-1]]
        figure.area(put(*around), COLOURS[one.colour], 40)
    places = put(one.x, one.y)
    if one.dots:
        figure.dots(places, np.tile(np.array(rgb(COLOURS[one.colour])), (len(places), 1)), 3.5, 200)
    else:
        figure.line(places, COLOURS[one.colour], 2.2, dashed=one.dashed)


def ascii_only(words: str) -> str:
    """Pillow's own font has no minus sign."""
    return words.replace("−", "-")


def dashes(points: np.ndarray) -> list[np.ndarray]:
    """Every other stretch of ``DASH`` pixels along a line."""
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))]
    cuts = np.arange(0, along[-1], OVER * DASH)
    ends = [(cut, min(cut + 0.6 * OVER * DASH, along[-1])) for cut in cuts]
    return [np.stack([np.interp(end, along, points[:, k]) for k in (0, 1)], -1) for end in map(np.array, ends)]


def rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


@functools.lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
