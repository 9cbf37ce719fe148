"""Replay: windows that never cross an end and are drawn fairly, crashes that lose nothing, a way back to the bit."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from worldmodel.episode import Episode
from worldmodel.replay import Batch, Replay, ReplayError, bytes_needed

from .kills import Say, killed_during, run_apart

SHAPE = (4, 4, 3)


def episode(number: int, rows: int, terminated: bool = True) -> Episode:
    """Every row says where it comes from: state is (episode, row), the pixels follow from both."""
    rng = np.random.default_rng(number)
    row = np.arange(rows)
    action = rng.uniform(-1, 1, (rows, 2)).astype(np.float32)
    reward = rng.normal(size=rows).astype(np.float32)
    action[0], reward[0] = 0, 0
    observation = np.broadcast_to((number * 31 + row)[:, None, None, None], (rows, *SHAPE)).astype(np.uint8)
    state = np.stack([np.full(rows, number), row], axis=1).astype(np.float64)
    return Episode(observation, action, reward, (row == rows - 1) & terminated, row == 0, state)


def small(folder: Path, capacity: int = 60, slack: int | None = None, test_every: int = 0) -> Replay:
    return Replay.create(folder / "replay", capacity, SHAPE, 2, 2, slack, test_every)


def filled(folder: Path, lengths: list[int], **options: int) -> Replay:
    replay = small(folder, **options)
    for number, rows in enumerate(lengths):
        replay.add(episode(number, rows))
    return replay


def equal(one: tuple, other: tuple) -> bool:
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(one, other, strict=True))


def live(replay: Replay) -> list[int]:
    return [int(stored.state[0, 0]) for stored in replay.episodes("train")]


def draw(replay: Replay, seed: int = 0) -> Batch:
    return replay.sample(64, 5, np.random.default_rng(seed))


def test_episodes_come_back_to_the_bit(tmp_path: Path) -> None:
    lengths = [7, 2, 11]
    replay = filled(tmp_path, lengths)
    for opened in (replay, Replay.open(replay.folder)):
        for number, stored in enumerate(opened.episodes("train")):
            assert equal(stored, episode(number, lengths[number]))
            assert [a.dtype for a in stored] == [a.dtype for a in episode(0, 2)]
        assert opened.count("train") == 3
        assert opened.rows == 20
        assert opened.position() == 3


def test_a_window_is_a_run_of_rows_of_one_episode(tmp_path: Path) -> None:
    lengths = [7, 3, 12, 5]
    batch = filled(tmp_path, lengths).sample(300, 5, np.random.default_rng(0))
    for window in range(300):
        valid = batch.valid[window]
        number, start = (int(x) for x in batch.state[window, 0])
        whole = episode(number, lengths[number])
        count = min(5, lengths[number])
        assert valid.tolist() == [True] * count + [False] * (5 - count)
        assert 0 <= start <= lengths[number] - count
        assert equal([field[window, :count] for field in batch[:-1]], [array[start : start + count] for array in whole])
        assert not any(field[window, count:].any() for field in batch)


def test_the_shapes_and_types_of_a_batch(tmp_path: Path) -> None:
    batch = filled(tmp_path, [9]).sample(6, 4, np.random.default_rng(0))
    assert batch.observation.shape == (6, 4, *SHAPE)
    assert batch.action.shape == (6, 4, 2)
    assert batch.state.shape == (6, 4, 2)
    assert all(field.shape == (6, 4) for field in (batch.reward, batch.terminated, batch.is_first, batch.valid))
    assert [f.dtype for f in batch] == [torch.uint8, *[torch.float32] * 2, *[torch.bool] * 2, torch.float64, torch.bool]


def test_every_place_of_a_window_is_equally_likely(tmp_path: Path) -> None:
    """Episodes of 3 and 8 rows and windows of 4: 6 and 11 places. Pushed inside, row 0 is the start 6 times of the 6,
    and of the 11 the starts 0 to 4 get 4, 1, 1, 1 and 4."""
    replay = filled(tmp_path, [3, 8])
    batch = replay.sample(17_000, 4, np.random.default_rng(0))
    starts, counts = np.unique(batch.state[:, 0].numpy(), axis=0, return_counts=True)
    assert starts.tolist() == [[0, 0], [1, 0], [1, 1], [1, 2], [1, 3], [1, 4]]
    expected = 17_000 * np.array([6, 4, 1, 1, 1, 4]) / 17
    assert ((counts - expected) ** 2 / expected).sum() < 20.5  # chi-square with 5 degrees of freedom, p = 0.001


def test_no_row_is_drawn_less_than_the_middle_nor_twice_as_often(tmp_path: Path) -> None:
    length, lengths = 5, [2, 4, 5, 6, 30]
    batch = filled(tmp_path, lengths).sample(24_000, length, np.random.default_rng(1))
    seen = batch.state[batch.valid].numpy().astype(int)
    counts = np.zeros((len(lengths), 30))
    np.add.at(counts, (seen[:, 0], seen[:, 1]), 1)
    middle = counts[4, 10:20].mean()
    for number, rows in enumerate(lengths):
        assert counts[number, :rows].min() > 0.9 * middle
        assert counts[number, :rows].max() < 2.1 * middle


def test_windows_that_pay_follow_what_is_added_and_taken_back(tmp_path: Path) -> None:
    def pays(number: int, row: int) -> Episode:
        reward = np.zeros(12, np.float32)
        reward[row] = 1
        return episode(number, 12)._replace(reward=reward)

    def paid_rows(replay: Replay) -> set[tuple[int, int]]:
        batch = replay.sample(64, 3, np.random.default_rng(0), paid=40)
        assert (batch.reward[:40].sum(1) == 1).all()
        return {tuple(state) for state in batch.state[:40][batch.reward[:40] > 0].int().tolist()}

    replay = small(tmp_path)
    replay.add(pays(0, 7))
    assert paid_rows(replay) == {(0, 7)}
    replay.add(pays(1, 11))
    assert paid_rows(replay) == {(0, 7), (1, 11)}
    replay.mark(1)
    replay.rewind(1)
    replay.add(pays(2, 1))
    assert paid_rows(replay) == {(0, 7), (2, 1)}


@pytest.mark.parametrize("paid", [-1, 9])
def test_more_paid_windows_than_windows_are_refused(tmp_path: Path, paid: int) -> None:
    with pytest.raises(ReplayError, match=f"0 to batch, 8; {paid} came"):
        filled(tmp_path, [7]).sample(8, 3, np.random.default_rng(0), paid)


def test_sampling_follows_the_generator_alone(tmp_path: Path) -> None:
    replay = filled(tmp_path, [9, 20])
    assert equal(draw(replay, 3), draw(Replay.open(replay.folder), 3))
    assert not equal(draw(replay, 3), draw(replay, 4))


def test_the_oldest_whole_episodes_are_dropped(tmp_path: Path) -> None:
    replay = small(tmp_path, capacity=30)
    lengths = [10, 10, 9, 2, 10, 29, 30, 3]
    expected = [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [5], [6], [7]]
    for number, rows in enumerate(lengths):
        replay.add(episode(number, rows))
        assert live(replay) == expected[number]
        assert set(draw(replay).state[:, 0, 0].tolist()) == set(expected[number])


def test_any_lengths_go_round_the_ring_with_the_default_slack(tmp_path: Path) -> None:
    """Slack of two episodes is enough, wherever the ring wraps."""
    rng = np.random.default_rng(0)
    replay = small(tmp_path, capacity=40)
    for number in range(60):
        replay.add(episode(number, int(rng.integers(2, 41))))
        assert live(replay)[-1] == number  # and every live one fits its checksum
        assert replay.rows <= 40


def test_held_out_episodes_are_never_sampled(tmp_path: Path) -> None:
    replay = filled(tmp_path, [5] * 10, test_every=3)
    assert [int(stored.state[0, 0]) for stored in replay.episodes("test")] == [2, 5, 8]
    assert live(replay) == [0, 1, 3, 4, 6, 7, 9]
    assert set(draw(replay, 0).state[:, 0, 0].tolist()) == {0, 1, 3, 4, 6, 7, 9}
    assert (replay.count("train"), replay.count("test")) == (7, 3)


def test_rewind_restores_what_was_live_to_the_bit(tmp_path: Path) -> None:
    lengths = np.random.default_rng(5).integers(2, 13, 60).tolist()
    replay = filled(tmp_path, lengths[:20], slack=90)
    position, before, numbers = replay.position(), draw(replay), live(replay)
    replay.mark(position)
    for number in range(20, 31):  # most of what was live is dropped, and the ring wraps
        replay.add(episode(number, lengths[number]))
    after, numbers_after = draw(replay), live(replay)
    assert numbers_after[0] > numbers[-2]

    resumed = Replay.open(replay.folder)  # a crash forgets nothing of the mark
    resumed.rewind(position)
    assert live(resumed) == numbers
    assert resumed.position() == position
    assert equal(draw(resumed), before)
    for number in range(20, 31):
        resumed.add(episode(number, lengths[number]))
    assert equal(draw(resumed), after)


def test_every_position_from_the_mark_on_can_be_gone_back_to(tmp_path: Path) -> None:
    replay = filled(tmp_path, [10] * 8, slack=90)
    replay.mark(7)
    drawn = {8: draw(replay)}
    for number in range(8, 14):
        replay.add(episode(number, 10))
        drawn[number + 1] = draw(replay)
    for position in (14, 12, 9, 8):
        replay.rewind(position)
        assert equal(draw(replay), drawn[position])


def test_a_mark_is_kept_rather_than_overwritten(tmp_path: Path) -> None:
    replay = filled(tmp_path, [10] * 8, slack=40)
    replay.mark(8)
    before = draw(replay)
    for number in range(8, 8 + 40 // 10):  # the ring wraps without waste here, so that all of the slack can be used
        replay.add(episode(number, 10))
    with pytest.raises(ReplayError, match=r"last mark: 8, episodes now: 12.*mark\(\) more often.*40 slack_rows"):
        replay.add(episode(12, 10))
    here = replay.position()
    replay.mark(here)
    replay.add(episode(here, 10))
    with pytest.raises(ReplayError, match=rf"no further than its mark \({here}\)"):
        replay.rewind(8)
    replay.rewind(here)
    assert not equal(draw(replay), before)


def test_positions_out_of_reach_are_refused(tmp_path: Path) -> None:
    replay = filled(tmp_path, [5] * 4)
    with pytest.raises(ReplayError, match=r"last position \(4\); 7 came"):
        replay.rewind(7)
    with pytest.raises(ReplayError, match=r"its mark \(None\)"):
        replay.rewind(2)
    with pytest.raises(ReplayError, match="9 came"):
        replay.mark(9)
    replay.rewind(0)
    assert replay.position() == replay.rows == 0
    replay.add(episode(0, 5))
    assert live(replay) == [0]


@pytest.mark.parametrize("call", range(1, 8))
def test_a_full_disk_leaves_the_replay_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The disk is full at the `call`-th time that `add` waits for it: six fields and the index."""
    replay = filled(tmp_path, [10] * 7)
    before, calls = draw(replay), []

    def full(_: int) -> None:
        calls.append(1)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ReplayError, match=r"needs .* MiB of disk; .* MiB free\. The replay keeps its 7 episodes"):
            replay.add(episode(7, 10))
    for same in (replay, Replay.open(replay.folder)):
        assert equal(draw(same), before)
    replay.add(episode(8, 10))
    assert live(replay)[-1] == 8


def kill_adds(folder: str) -> None:
    def add_on_and_on(say: Say) -> None:
        replay = Replay.open(folder)
        while True:
            number = replay.position()
            replay.add(episode(number, 2 + number * 7 % 29))
            say(number)

    for kill in range(20):
        said = killed_during(add_on_and_on, after=1 + kill % 5, delay=0.0002 * kill)
        replay = Replay.open(folder)
        assert replay.position() in (said[-1] + 1, said[-1] + 2)
        numbers = live(replay)
        assert numbers == list(range(numbers[0], replay.position()))
        for number, stored in zip(numbers, replay.episodes("train"), strict=True):
            assert equal(stored, episode(number, 2 + number * 7 % 29))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_kill_during_an_add_loses_nothing_that_was_added(tmp_path: Path) -> None:
    run_apart(__name__, "kill_adds", str(small(tmp_path).folder))


@pytest.mark.parametrize("torn", [1, 31, 32])
def test_a_torn_last_record_is_as_if_never_added(tmp_path: Path, torn: int) -> None:
    replay = filled(tmp_path, [10] * 3)
    before = draw(replay)
    log = replay.folder / "episodes.log"
    log.write_bytes(log.read_bytes() + b"\x07" * torn)
    opened = Replay.open(replay.folder)
    assert equal(draw(opened), before)
    opened.add(episode(3, 4))
    assert live(Replay.open(replay.folder)) == [0, 1, 2, 3]


def test_damage_is_named(tmp_path: Path) -> None:
    replay = filled(tmp_path, [10] * 3)
    copy = tmp_path / "copy"
    pixels, log = copy / "observation.rows", copy / "episodes.log"

    shutil.copytree(replay.folder, copy)
    size = pixels.stat().st_size
    os.truncate(pixels, size - 1)
    with pytest.raises(ReplayError, match=rf"observation.rows must have {size} bytes and has {size - 1}\. Restore"):
        Replay.open(copy)
    pixels.unlink()
    with pytest.raises(ReplayError, match=r"observation\.rows is missing"):
        Replay.open(copy)

    shutil.copytree(replay.folder, copy, dirs_exist_ok=True)
    flip(pixels, 48 * 15)
    with pytest.raises(ReplayError, match=r"episode 1 in .* does not fit its checksum"):
        list(Replay.open(copy).episodes("train"))

    shutil.copytree(replay.folder, copy, dirs_exist_ok=True)
    flip(log, 5)
    with pytest.raises(ReplayError, match=r"record 0 of 3 in episodes\.log"):
        Replay.open(copy)

    opened = Replay.open(replay.folder)
    os.truncate(replay.folder / "observation.rows", 48 * 4)
    with pytest.raises(ReplayError, match="ends too early"):
        draw(opened)


def flip(path: Path, byte: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(bytes(data))


def test_a_foreign_or_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="Create the replay first"):
        Replay.open(tmp_path)
    replay = small(tmp_path)
    with pytest.raises(ReplayError, match=r"new folder; .* holds one"):
        small(tmp_path)
    (replay.folder / "replay.json").write_text('{"format": "other"}')
    with pytest.raises(ReplayError, match="must say 'worldmodel replay 1' and says 'other'"):
        Replay.open(replay.folder)


def test_episodes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    replay = small(tmp_path)
    with pytest.raises(ReplayError, match=r"observation must have the shape \(4, 4, 3\).*\(5, 4, 3\) came"):
        replay.add(episode(0, 5)._replace(observation=np.zeros((5, 5, 4, 3), np.uint8)))
    with pytest.raises(ReplayError, match="capacity of 60 rows; one of 61"):
        replay.add(episode(0, 61))
    with pytest.raises(ValueError, match="shifted by one"):
        replay.add(episode(0, 5)._replace(action=np.ones((5, 2), np.float32)))
    assert replay.position() == 0


def test_sampling_from_nothing_is_refused(tmp_path: Path) -> None:
    replay = small(tmp_path)
    with pytest.raises(ReplayError, match="there are none yet"):
        draw(replay)
    replay.add(episode(0, 5))
    with pytest.raises(ReplayError, match="at least 1; 4 and 0 came"):
        replay.sample(4, 0, np.random.default_rng(0))


def test_an_environment_without_a_true_state(tmp_path: Path) -> None:
    replay = Replay.create(tmp_path / "replay", 60, SHAPE, 2)
    replay.add(episode(0, 5)._replace(state=np.zeros((5, 0))))
    assert draw(Replay.open(replay.folder)).state.shape == (64, 5, 0)


def test_the_size_is_known_beforehand_and_is_true(tmp_path: Path) -> None:
    replay = small(tmp_path, capacity=60, slack=20)
    size = sum(path.stat().st_size for path in replay.folder.glob("*.rows"))
    assert size == bytes_needed(60, SHAPE, 2, 2, slack_rows=20) == 80 * (48 + 8 + 4 + 1 + 1 + 16)
    assert bytes_needed(1_000_000, (64, 64, 3), 1) == pytest.approx(1.25e6 * 12288, rel=0.01)


def test_a_disk_without_the_room_is_refused_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(0, 0, 3 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ReplayError, match=r"1000000 \+ 250000 rows needs .* MiB .* has 3\.0 MiB free\. Ask for fewer"):
        Replay.create(tmp_path / "replay", 1_000_000, (64, 64, 3), 1)
    assert not (tmp_path / "replay" / "replay.json").exists()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"observation_shape": (64, 64)}, "must be .height, width, channel"),
        ({"capacity_rows": 1}, "capacity_rows must be at least 2; 1 came"),
        ({"action_size": 0}, "action_size must be at least 1"),
        ({"test_every": 1}, "no episode to train on"),
    ],
)
def test_impossible_layouts_are_refused(tmp_path: Path, options: dict, rule: str) -> None:
    wanted = {"capacity_rows": 60, "observation_shape": SHAPE, "action_size": 2} | options
    with pytest.raises(ReplayError, match=rule):
        Replay.create(tmp_path / "replay", **wanted)
