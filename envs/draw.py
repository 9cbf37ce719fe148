"""A small anti-aliased rasteriser for batches of flat shapes.

The picture is the square [-1, 1]², x to the right and y upwards. Every shape is given by its signed distance in pixels
and covers a pixel by ``clip(1/2 - distance, 0, 1)``: an edge that moves by a tenth of a pixel changes the grey level of
its pixels by a tenth, so that a picture carries its state far below one pixel. Only the bounding box of each shape is
visited, and only pixels that are covered are blended.

The same states give the same bits whatever the batch: all is element-wise IEEE arithmetic (add, multiply, divide,
square root), and sines come one by one from `math`, because vectorised ones may round otherwise at an array's tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from envs.palette import Colour

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def heading(angle: np.ndarray) -> np.ndarray:
    """``(sin, cos)`` of angles ``[batch]`` in rad: unit vectors ``[batch, 2]``, upwards at 0 and turning clockwise."""
    return np.array([(math.sin(a), math.cos(a)) for a in angle.tolist()]).reshape(-1, 2)


def ground(size: int, colour: Colour) -> np.ndarray:
    """A plain picture ``[size, size, channel]`` uint8, as many channels as the colour has."""
    return np.full((size, size, len(colour)), colour, dtype=np.uint8)


def in_colour(pixels: np.ndarray) -> np.ndarray:
    """Pictures to be looked at, ``[..., 3]``: those of three channels as they are, of others the last in grey."""
    return pixels if pixels.shape[-1] == 3 else np.repeat(pixels[..., -1:], 3, axis=-1)


class Canvas:
    """Pictures ``pixels [batch, size, size, channel]`` uint8: copies of one background, on which shapes are painted.

    Points are ``[batch, 2]`` in picture coordinates, or ``[2]`` for the same in every picture; lengths are in picture
    coordinates too (the whole picture is 2 wide). sharp: no anti-aliasing, a pixel belongs to a shape or does not.
    """

    def __init__(self, background: np.ndarray, batch: int, sharp: bool = False) -> None:
        self.size, self.channels = background.shape[1:]
        self.batch, self.sharp = batch, sharp
        self.pixels = np.repeat(background[None], batch, axis=0)

    def disc(self, centre: np.ndarray, radius: float, colour: Colour) -> None:
        """A filled disc: distance ``|p - centre| - radius``."""
        middle, reach = self._to_pixels(centre), radius * self.size / 2
        cx, cy = _columns(middle)

        def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return np.sqrt((x - cx) ** 2 + (y - cy) ** 2) - np.float32(reach)

        self._paint(middle - reach, middle + reach, distance, colour)

    def capsule(self, start: np.ndarray, end: np.ndarray, radius: float, colour: Colour) -> None:
        """A line with round ends: the distance to the nearest point of the segment, less the radius."""
        first, last, reach = self._to_pixels(start), self._to_pixels(end), radius * self.size / 2
        (ax, ay), (dx, dy) = _columns(first), _columns(last - first)
        squared = np.maximum(dx * dx + dy * dy, np.float32(1e-12))  # a segment of length zero is a disc

        def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            along = np.clip(((x - ax) * dx + (y - ay) * dy) / squared, 0, 1)
            return np.sqrt((x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2) - np.float32(reach)

        self._paint(np.minimum(first, last) - reach, np.maximum(first, last) + reach, distance, colour)

    def rectangle(self, centre: np.ndarray, half_width: float, half_height: float, colour: Colour) -> None:
        """A filled rectangle with sides along the axes: the distance to the nearest side (also beyond the corners)."""
        middle = self._to_pixels(centre)
        reach = np.array([half_width, half_height]) * self.size / 2
        (cx, cy), (wide, high) = _columns(middle), reach.astype(np.float32)

        def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return np.maximum(np.abs(x - cx) - wide, np.abs(y - cy) - high)

        self._paint(middle - reach, middle + reach, distance, colour)

    def _to_pixels(self, point: np.ndarray) -> np.ndarray:
        """Picture coordinates to ``[batch, (column, row)]``, whole numbers at pixel centres."""
        flipped = np.asarray(point, dtype=np.float64) * (1.0, -1.0)
        return np.broadcast_to((flipped + 1) * (self.size / 2) - 0.5, (self.batch, 2))

    def _paint(self, low: np.ndarray, high: np.ndarray, distance: Distance, colour: Colour) -> None:
        """Blend one shape per picture that lies within the boxes ``low .. high`` (``[batch, (column, row)]``)."""
        columns, rows = self._window(low[:, 0], high[:, 0]), self._window(low[:, 1], high[:, 1])
        x, y = columns[:, None, :].astype(np.float32), rows[:, :, None].astype(np.float32)
        inside = np.float32(0.5) - distance(x, y)
        cover = (inside > 0.5).astype(np.float32) if self.sharp else np.clip(inside, 0, 1)
        picture, row, column = np.nonzero(cover)
        place = (picture * self.size + rows[picture, row]) * self.size + columns[picture, column]
        flat, share = self.pixels.reshape(-1, self.channels), cover[picture, row, column][:, None]
        old = flat[place].astype(np.float32)
        flat[place] = np.rint(old + share * (np.array(colour, dtype=np.float32) - old)).astype(np.uint8)

    def _window(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Pixel indices ``[batch, width]`` around ``low .. high``; one width for all, as spares stay uncovered."""
        first = np.floor(low - 0.5).astype(np.int64)
        width = min(int(np.max(np.ceil(high + 0.5).astype(np.int64) - first, initial=0)) + 1, self.size)
        return np.clip(first, 0, self.size - width)[:, None] + np.arange(width)


def _columns(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``[batch, 2]`` as two float32 arrays ``[batch, 1, 1]`` that broadcast against windows."""
    single = points.astype(np.float32)
    return single[:, :1, None], single[:, 1:, None]
