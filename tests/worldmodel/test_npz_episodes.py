"""Episodes as .npz files: there and back to the bit, both ways of pairing actions, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from worldmodel.npz_episodes import Form, Layout, read, read_form, write

from .test_replay import SHAPE, episode, equal


def stored(path: Path, **changes: Any) -> Path:
    """As a PlaNet script writes it: float64 rewards, a discount, no is_first; None leaves a field out."""
    one = episode(3, 8)
    fields = {
        "image": one.observation,
        "action": one.action,
        "reward": one.reward.astype(np.float64),
        "discount": np.where(one.terminated, 0.0, 1.0),
    }
    np.savez_compressed(path, **{name: value for name, value in (fields | changes).items() if value is not None})
    return path


@pytest.mark.parametrize("terminated", [True, False])
def test_there_and_back_to_the_bit(tmp_path: Path, terminated: bool) -> None:
    for one in (episode(1, 9, terminated), episode(2, 5, terminated)._replace(state=np.zeros((5, 0)))):
        write(tmp_path / "one.npz", one)
        assert equal(read(tmp_path / "one.npz"), one)
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_a_file_of_planet(tmp_path: Path) -> None:
    expected = episode(3, 8)._replace(state=np.zeros((8, 0)))
    assert equal(read(stored(tmp_path / "one.npz")), expected)
    assert read_form(tmp_path / "one.npz") == Form(8, SHAPE, 2, 0)


def test_what_was_done_at_an_image_led_to_the_next_one(tmp_path: Path) -> None:
    """Row t of the file: taken at image t, paid for leaving it."""
    one = episode(3, 8)
    at = {name: np.roll(getattr(one, name), -1, axis=0) for name in ("action", "reward")}
    terminal = np.roll(one.terminated, -1)
    path = stored(tmp_path / "one.npz", **at, is_terminal=terminal)
    assert equal(read(path, Layout(True, True)), one._replace(state=np.zeros((8, 0))))
    with pytest.raises(ValueError, match=r"one\.npz: .*shifted by one.*--actions taken-at"):
        read(path)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no actions": ({"action": None}, r"must hold image, action, reward; it holds image, reward, discount"),
    "float images": ({"image": np.zeros((8, *SHAPE))}, "must be uint8, 0 to 255; float64 came. Multiply by 255"),
    "signed images": ({"image": np.zeros((8, *SHAPE), np.int64)}, "int64 came. Convert it first"),
    "channels first": ({"image": np.zeros((8, 3, 2, 4), np.uint8)}, "channels last"),
    "no channels": ({"image": np.zeros((8, 4, 4), np.uint8)}, r"axes \[rows, height, width, channel\]"),
    "flat actions": ({"action": np.zeros(8)}, r"axes \[rows, action\]; the shape \(8,\) came"),
    "words": ({"reward": np.array(["a"] * 8)}, "reward must hold numbers"),
    "one reward too few": ({"reward": np.zeros(7)}, "row for each of the 8 images; 7 came"),
    "NaN": ({"reward": np.array([0, 1, np.nan, 0, 0, 0, 0, 0])}, "reward must be finite; row 2 holds nan"),
    "wide actions": ({"action": np.eye(8, 2, -1) * 3}, r"in \[-1, 1\]; row 1 holds \[3.0, 0.0\]"),
    "two episodes": ({"is_first": np.arange(8) % 4 == 0}, r"is_first in row 0 alone; it is set in rows \[0, 4\]"),
    "an early end": ({"discount": np.array([1, 1, 0, 1, 1, 1, 1, 1])}, r"terminated may be true in the last row"),
    "objects": ({"reward": np.array([None] * 8)}, "allow_pickle|Object arrays"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_episode_is_refused_with_its_name(tmp_path: Path, bad: str) -> None:
    changes, words = BAD[bad]
    with pytest.raises(ValueError, match=words) as raised:
        read(stored(tmp_path / "bad.npz", **changes))
    assert "bad.npz" in str(raised.value)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match=r"text\.npz must be an \.npz archive"):
        read(tmp_path / "text.npz")
