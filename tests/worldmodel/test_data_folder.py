"""A data folder: who is held out, that a stopped making goes on, and that what is wrong is said."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from worldmodel.data_folder import About, DataError, DataFolder, create, is_test, open_folder, split

from .test_replay import SHAPE, episode, equal

ABOUT = About("toy", "random", 0, 6, 1 / 3, 40, 20, SHAPE, 2, 2)


def filled(folder: Path, count: int, about: About = ABOUT) -> DataFolder:
    data = create(folder, about)
    for number in range(data.episodes, count):
        data.add(episode(number, 10))
    return data


def numbers(data: DataFolder) -> tuple[list[int], list[int]]:
    train, test = ([int(e.state[0, 0]) for e in replay.episodes("train")] for replay in (data.train, data.test))
    return train, test


def test_train_and_test_episodes_are_stored_apart(tmp_path: Path) -> None:
    filled(tmp_path / "data", 6)
    data = open_folder(tmp_path / "data")
    assert numbers(data) == ([1, 2, 4, 5], [0, 3])
    assert data.about == ABOUT
    assert all(equal(e, episode(int(e.state[0, 0]), 10)) for e in data.train.episodes("train"))


@pytest.mark.parametrize(
    ("episodes", "share", "expected"),
    [(10, 0.1, 1), (30, 0.1, 3), (31, 0.1, 4), (1000, 0.1, 100), (1000, 0.3, 300), (5, 0.0, 0), (2, 0.1, 1)],
)
def test_as_many_are_held_out_as_asked_for(episodes: int, share: float, expected: int) -> None:
    assert split(episodes, share) == (episodes - expected, expected)
    assert sum(is_test(number, share) for number in range(episodes)) == expected


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_impossible_shares_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share of test episodes"):
        split(10, share)


def test_someone_must_be_left_to_train_on() -> None:
    with pytest.raises(ValueError, match="left to train on"):
        split(1, 0.1)


def test_what_was_begun_is_completed_to_the_same(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole", 6)
    filled(tmp_path / "stopped", 2)
    stopped = filled(tmp_path / "stopped", 6, replace(ABOUT, versions={"torch": "another"}))
    assert stopped.fingerprint == whole.fingerprint
    assert numbers(stopped) == numbers(whole)


def test_a_folder_that_was_stopped_before_its_replays_were_made_is_begun_again(tmp_path: Path) -> None:
    data = create(tmp_path / "data", ABOUT)
    (data.folder / "test" / "replay.json").unlink()
    assert filled(tmp_path / "data", 6).fingerprint == filled(tmp_path / "whole", 6).fingerprint


def test_the_fingerprint_sees_a_pixel_and_the_order(tmp_path: Path) -> None:
    one, other = create(tmp_path / "one", ABOUT), create(tmp_path / "other", ABOUT)
    changed = episode(0, 10)
    changed.observation[3, 2, 1, 0] ^= 1
    one.add(episode(0, 10))
    other.add(changed)
    assert one.fingerprint != other.fingerprint


def test_other_data_is_not_mixed_in(tmp_path: Path) -> None:
    create(tmp_path / "data", ABOUT)
    with pytest.raises(DataError, match=r"seed 1 \(stored: 0\), policy|policy .*, seed 1"):
        create(tmp_path / "data", replace(ABOUT, seed=1, policy="cem"))


def test_no_more_than_was_asked_for(tmp_path: Path) -> None:
    data = filled(tmp_path / "data", 6)
    with pytest.raises(DataError, match="made for 6 episodes and holds them all"):
        data.add(episode(6, 10))


def test_what_is_no_data_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="worldmodel collect"):
        open_folder(tmp_path)
    create(tmp_path / "data", ABOUT)
    path = tmp_path / "data" / "data.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": "other"}))
    with pytest.raises(DataError, match="says 'other'"):
        open_folder(tmp_path / "data")


def test_the_size_is_said_beforehand(tmp_path: Path) -> None:
    data = filled(tmp_path / "data", 6)
    stored = sum(path.stat().st_size for path in data.folder.rglob("*.rows"))
    assert stored == data.about.bytes_needed
