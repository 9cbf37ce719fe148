"""Many small pictures as one, so that a page of thousands stays light."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

from envs.draw import in_colour

QUALITY = 80
MOST = 64  # pixels a side; larger pictures are shrunk


def sprite_sheet(pictures: np.ndarray) -> dict[str, Any]:
    """Pictures ``[count, height, width, channel]`` uint8 in reading order: ``source``, ``size`` of one, ``columns``."""
    sheet, size = tiled(pictures)
    return {"source": data_uri(sheet), "size": size, "columns": sheet.shape[1] // size}


def tiled(pictures: np.ndarray) -> tuple[np.ndarray, int]:
    """One picture ``[rows * size, columns * size, 3]`` of all ``[count, height, width, channel]``, and the size."""
    shown = small(in_colour(pictures))
    count, size = shown.shape[:2]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    padded = np.zeros((rows * columns, *shown.shape[1:]), np.uint8)
    padded[:count] = shown
    return padded.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3), size


def small(pictures: np.ndarray) -> np.ndarray:
    if pictures.shape[1] <= MOST:
        return pictures
    return np.stack([np.asarray(Image.fromarray(one).resize((MOST, MOST), Image.Resampling.BOX)) for one in pictures])


def data_uri(picture: np.ndarray) -> str:
    """``[height, width, 3 or 4]`` uint8 -> a WebP picture that can stand in a page."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
