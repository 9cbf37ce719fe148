"""Episodes as ``.npz`` files, one each, in the layout that PlaNet and the first two Dreamers write.

    image        [rows, height, width, channel] uint8
    action       [rows, action] in [-1, 1]; action[t] led to image[t], so action[0] is zeros; choices as one-hot
    reward       [rows], came with image[t]
    is_terminal  [rows] bool, or discount [rows], 0 where the episode terminated
    is_first     [rows] bool, row 0 alone
    state        [rows, state], the true state: ours, and left out where there is none

Other packages (DreamerV3's replay, most offline data sets) store the action taken *at* image[t] in row t; rewards too.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from worldmodel.durable import write_whole
from worldmodel.episode import Episode, check

REQUIRED = ("image", "action", "reward")


class Layout(NamedTuple):
    """actions_taken_at, rewards_taken_at: whether row t holds what was done at, or paid for leaving, image[t]."""

    actions_taken_at: bool = False
    rewards_taken_at: bool = False


class Form(NamedTuple):
    """What the header of a file tells: rows, the image's shape, widths of action and state."""

    rows: int
    observation: tuple[int, ...]
    action: int
    state: int


def read_form(path: Path) -> Form:
    """Read the headers alone. Raises ValueError, which names the file, for fields that cannot be an episode's."""
    shapes = {name: shape for name, (shape, _) in headers(path).items()}
    for name in REQUIRED:
        if name not in shapes:
            raise ValueError(
                f"{path.name} must hold {', '.join(REQUIRED)}; it holds {', '.join(shapes) or 'nothing'}. "
                "Rename its fields, one episode per file."
            )
    if len(shapes["action"]) == 1:
        raise ValueError(
            f"action in {path.name} must have the axes [rows, action]; the shape {shapes['action']} came. Write "
            "choices as one-hot, numpy.eye(count)[action], and numbers as action[:, None]."
        )
    for name, axes in (("image", "rows, height, width, channel"), ("action", "rows, action"), ("reward", "rows")):
        if len(shapes[name]) != axes.count(",") + 1:
            raise ValueError(
                f"{name} in {path.name} must have the axes [{axes}]; the shape {shapes[name]} came. Reshape it."
            )
    state = shapes.get("state", (0, 0))
    return Form(shapes["image"][0], shapes["image"][1:], shapes["action"][1], state[1] if len(state) == 2 else 0)


def one_hot(path: Path, layout: Layout) -> bool:
    """Whether the actions in ``path`` are choices: a one among zeros in every row. Raises ValueError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            action = stored["action"]
    except (zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path.name} must hold numbers in action; it cannot be read: {error}.") from error
    made = action[:-1] if layout.actions_taken_at else action[1:]  # the other row's action was never executed
    return bool(np.isin(made, (0, 1)).all() and (made.sum(1) == 1).all())


def headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of every field, without its content. Raises ValueError."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = read(file)
                    found[name.removesuffix(".npy")] = (shape, dtype)
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ValueError(
            f"{path.name} must be an .npz archive of arrays; it cannot be read: {error}. Write it with numpy.savez."
        ) from error
    return found


def read(path: Path, layout: Layout = Layout()) -> Episode:  # noqa: B008  an immutable value
    """The episode in ``path``. Raises ValueError, which names the file, for wrong types, shapes and values."""
    read_form(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            episode = assemble({name: stored[name] for name in stored.files}, layout)
        check(episode)
    except ValueError as error:
        hint = ""
        if "shifted by one" in str(error):
            hint = " Where row t holds the action taken at image t, import with --actions taken-at."
        raise ValueError(f"{path.name}: {error}{hint}") from error
    return episode


def assemble(fields: dict[str, np.ndarray], layout: Layout) -> Episode:
    image, rows = fields["image"], len(fields["image"])
    check_image(image)
    for name in ("action", "reward", "discount", "is_terminal", "is_first", "is_last", "state"):
        if name in fields:
            check_field(name, fields[name], rows)
    check_first(fields.get("is_first"))
    action, reward = fields["action"].astype(np.float32), fields["reward"].astype(np.float32)
    terminated = ending(fields)
    if layout.actions_taken_at:
        action = later(action)
    if layout.rewards_taken_at:
        reward, terminated = later(reward), later(terminated)
    state = fields["state"].astype(np.float64) if "state" in fields else np.zeros((rows, 0))
    return Episode(image, action, reward, terminated, np.arange(rows) == 0, state)


def later(field: np.ndarray) -> np.ndarray:
    """Moved one row later: what was stored in row t-1 belongs to row t. What was in the last row led nowhere."""
    moved = np.zeros_like(field)
    moved[1:] = field[:-1]
    return moved


def ending(fields: dict[str, np.ndarray]) -> np.ndarray:
    """``[rows]`` bool, from is_terminal or else from a discount of zero."""
    if "is_terminal" in fields:
        return fields["is_terminal"].astype(bool)
    if "discount" in fields:
        return fields["discount"] == 0
    return np.zeros(len(fields["image"]), dtype=bool)


def check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8:
        scale = " Multiply by 255 and round first." if np.issubdtype(image.dtype, np.floating) else ""
        raise ValueError(f"image must be uint8, 0 to 255; {image.dtype} came.{scale or ' Convert it first.'}")
    if image.shape[-1] > min(image.shape[1:3]):
        raise ValueError(
            f"image must have its channels last, [rows, height, width, channel]; the shape {image.shape} came. "
            "Move the axis with numpy.moveaxis(image, 1, -1)."
        )


def check_field(name: str, field: np.ndarray, rows: int) -> None:
    if not (np.issubdtype(field.dtype, np.number) or field.dtype == np.bool_) or np.iscomplexobj(field):
        raise ValueError(f"{name} must hold numbers; {field.dtype} came. Convert it first.")
    if len(field) != rows:
        raise ValueError(
            f"{name} must have a row for each of the {rows} images; {len(field)} came. "
            "Keep the reset's image as row 0, with an action of zeros."
        )


def check_first(is_first: np.ndarray | None) -> None:
    if is_first is not None and (first := np.flatnonzero(is_first).tolist()) != [0]:
        raise ValueError(
            f"A file must hold one whole episode, is_first in row 0 alone; it is set in rows {first[:8]}. "
            "Cut the file there."
        )


def write(path: Path, episode: Episode) -> None:
    """Write ``episode`` whole or not at all, compressed."""
    last = np.arange(episode.rows) == episode.rows - 1
    fields: dict[str, Any] = {
        "image": episode.observation,
        "action": episode.action,
        "reward": episode.reward,
        "discount": 1 - episode.terminated.astype(np.float32),
        "is_first": episode.is_first,
        "is_last": last,
        "is_terminal": episode.terminated,
    }
    if episode.state.shape[1]:
        fields["state"] = episode.state
    write_whole(path, archive(fields))


def archive(fields: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **fields)
    return buffer.getvalue()
