"""Beliefs as TensorBoard's projector reads them: a snapshot of their vectors, of what they are about, and of frames.

It is the folder ``beliefs-UPDATES`` of the log, which `projector_config.pbtxt` names. There is one, the latest: of
several the projector opens the largest, which says nothing. Its name changes, or TensorBoard goes on showing the last.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.report.sprites import tiled
from worldmodel.durable import write_whole

SNAPSHOT, CONFIG = "beliefs-", "projector_config.pbtxt"
FORM = """embeddings {{
  tensor_name: "{name}"
  tensor_path: "{name}/vectors.tsv"
  metadata_path: "{name}/about.tsv"
  sprite {{
    image_path: "{name}/frames.png"
    single_image_dim: {size}
    single_image_dim: {size}
  }}
}}
"""


def write_beliefs(
    log: Path, updates: int, vectors: np.ndarray, names: tuple[str, ...], about: np.ndarray, frames: np.ndarray
) -> None:
    """Beliefs ``[points, latent]`` after so many updates, in place of earlier ones.

    names of the columns of ``about [points, columns]``; frames ``[points, height, width, channel]`` uint8.
    """
    name = f"{SNAPSHOT}{updates:06d}"
    folder = log / name
    folder.mkdir(exist_ok=True)
    sheet, size = tiled(frames)
    picture = io.BytesIO()
    Image.fromarray(sheet).save(picture, "PNG")
    write_whole(folder / "frames.png", picture.getvalue())
    write_whole(folder / "about.tsv", table(about, names).encode())
    write_whole(folder / "vectors.tsv", table(vectors).encode())
    write_whole(log / CONFIG, FORM.format(name=name, size=size).encode())
    for old in set(log.glob(f"{SNAPSHOT}*")) - {folder}:
        shutil.rmtree(old)


def table(rows: np.ndarray, names: tuple[str, ...] = ()) -> str:
    header = ["\t".join(names)] if names else []
    return "\n".join([*header, *("\t".join(f"{value:.5g}" for value in row) for row in rows.tolist())]) + "\n"


def cut(log: Path, updates: int) -> None:
    """Remove what came after so many updates: it is going to be done again."""
    for folder in log.glob(f"{SNAPSHOT}*"):
        if int(folder.name.removeprefix(SNAPSHOT)) > updates:
            (log / CONFIG).unlink(missing_ok=True)
            shutil.rmtree(folder)
