"""A data folder: episodes to learn from without an environment, split into train and test, and where they came from.

    data.json   what was asked for: environment, policy, seed, episodes, share held out, versions
    train/      a replay (`worldmodel.replay`) of the episodes to learn from
    test/       a replay of those that are never learned from

Episode ``n`` goes to the one or the other by its number alone (`is_test`), and a replay adds whole episodes or nothing;
so a folder whose making was stopped anywhere holds the first episodes of the whole, and says how many.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from worldmodel.durable import write_whole
from worldmodel.episode import Episode
from worldmodel.replay import Replay, bytes_needed

_FORMAT = "worldmodel data 1"
_SLACK_ROWS = 2  # nothing is ever dropped or overwritten here


class DataError(RuntimeError):
    """A data folder cannot do what was asked: the rule, what came, and what to do."""


@dataclass(frozen=True)
class About:
    """Where the episodes come from.

    env: name of the environment; None where it is not known. policy: who acted. episodes: how many there are to be.
    test_share: of the episodes, in [0, 1). rows, test_rows: the most that train and test episodes can have together.
    discrete: whether actions are one-hot choices. source: anything else that decides what is stored; versions: of the
    packages that wrote it.
    """

    env: str | None
    policy: str
    seed: int
    episodes: int
    test_share: float
    rows: int
    test_rows: int
    observation_shape: tuple[int, int, int]
    action_size: int
    state_size: int
    discrete: bool = False
    source: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def bytes_needed(self) -> int:
        """Disk space of the full folder in bytes."""
        form = self.observation_shape, self.action_size, self.state_size
        return sum(bytes_needed(max(2, rows), *form, slack_rows=_SLACK_ROWS) for rows in (self.rows, self.test_rows))


@dataclass(frozen=True)
class DataFolder:
    """Use `create` or `open_folder`."""

    folder: Path
    about: About
    train: Replay
    test: Replay

    @property
    def episodes(self) -> int:
        """How many are stored, of both kinds."""
        return self.train.position() + self.test.position()

    def add(self, episode: Episode) -> None:
        """Store the next episode where its number belongs. Raises as `Replay.add`, and DataError beyond the last."""
        if self.episodes >= self.about.episodes:
            raise DataError(
                f"{self.folder} is made for {self.about.episodes} episodes and holds them all. "
                "Make another data folder for more."
            )
        (self.test if is_test(self.episodes, self.about.test_share) else self.train).add(episode)

    @property
    def fingerprint(self) -> str:
        """Digest of what is stored: equal for equal episodes in the same order."""
        return hashlib.sha256((self.train.fingerprint() + self.test.fingerprint()).encode()).hexdigest()[:16]


def is_test(number: int, share: float) -> bool:
    """Whether episode ``number`` is held out: the first of all, then evenly spread ones, up to ``share`` of all."""
    return math.ceil((number + 1) * share - 1e-9) > math.ceil(number * share - 1e-9)


def split(episodes: int, share: float) -> tuple[int, int]:
    """Numbers of train and test episodes among the first ``episodes``. Raises ValueError."""
    if not 0 <= share < 1:
        raise ValueError(f"The share of test episodes must be in [0, 1); {share} came. The usual one is 0.1.")
    held_out = sum(is_test(number, share) for number in range(episodes))
    if held_out >= episodes:
        raise ValueError(
            f"At least one episode must be left to train on; of {episodes} and a share of {share} for tests none is. "
            "Take more episodes or a share of 0."
        )
    return episodes - held_out, held_out


def create(folder: Path, about: About) -> DataFolder:
    """An empty data folder; one that was begun for the same is gone on with. Raises DataError, ReplayError."""
    if (folder / "data.json").exists():
        _refuse_other(folder, read_about(folder), about)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        content = {"format": _FORMAT, **asdict(about)}
        write_whole(folder / "data.json", (json.dumps(content, indent=1) + "\n").encode())
    for name, rows in (("train", about.rows), ("test", about.test_rows)):
        if not (folder / name / "replay.json").exists():
            form = about.observation_shape, about.action_size, about.state_size
            Replay.create(folder / name, max(2, rows), *form, slack_rows=_SLACK_ROWS)
    return open_folder(folder)


def open_folder(folder: Path) -> DataFolder:
    """Raises DataError where there is none, ReplayError where it is damaged."""
    return DataFolder(folder, read_about(folder), Replay.open(folder / "train"), Replay.open(folder / "test"))


def is_data_folder(folder: Path) -> bool:
    return (folder / "data.json").exists()


def read_about(folder: Path) -> About:
    try:
        stored = json.loads((folder / "data.json").read_bytes())
        form = stored.pop("format")
        if form != _FORMAT:
            raise ValueError(f"it must say {_FORMAT!r} and says {form!r}")
        return About(**stored | {"observation_shape": tuple(stored["observation_shape"])})
    except FileNotFoundError as error:
        raise DataError(
            f"A data folder holds data.json; {folder} does not. Make one with `worldmodel collect` or "
            "`worldmodel data import`."
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"data.json in {folder} must be as it was written; it is not: {error}. "
            "Restore it from a copy or make the data anew."
        ) from error


def _refuse_other(folder: Path, stored: About, wanted: About) -> None:
    before, now = asdict(stored), asdict(wanted)
    names = [name for name in before if name != "versions" and before[name] != now[name]]
    if names:
        listed = ", ".join(f"{name} {now[name]} (stored: {before[name]})" for name in names)
        raise DataError(
            f"A data folder is completed as it was begun; {folder} was for other data: {listed}. "
            "Ask for the same, or make another folder."
        )
