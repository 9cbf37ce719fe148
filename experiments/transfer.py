"""Data folders from folders of ``.npz`` episodes and from runs, and folders of ``.npz`` episodes from these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from experiments import environment, provenance, run_folder
from experiments.data_source import Stored, shapes
from experiments.environment import Shapes
from experiments.errors import UserError
from worldmodel import npz_episodes
from worldmodel.data_folder import About, DataFolder, create, is_test, split
from worldmodel.npz_episodes import Form, Layout
from worldmodel.replay import Replay

Told = Callable[[int, int, int], None]
"""Called after each episode with its number, how many there are, and its rows."""


class Files(NamedTuple):
    """In the order in which they become episodes, with what their headers tell; share: of them that are test files."""

    paths: list[Path]
    forms: list[Form]
    share: float


def find(folder: Path, share: float) -> Files:
    """The files of ``folder``; or those of its folders train and test, whose split is kept. Raises UserError."""
    train, test = sorted((folder / "train").glob("*.npz")), sorted((folder / "test").glob("*.npz"))
    if train:
        share = len(test) / (len(train) + len(test))
        paths = interleaved(train, test, share)
    else:
        paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise UserError(
            f"There must be .npz files, one episode each, in {folder} or in its folders train and test; there are "
            "none. Give the folder that holds them."
        )
    try:
        return Files(paths, forms(paths), share)
    except ValueError as error:
        raise UserError(str(error)) from error


def interleaved(train: Sequence[Path], test: Sequence[Path], share: float) -> list[Path]:
    """So that `is_test` tells them apart again."""
    rest, held_out = iter(train), iter(test)
    return [next(held_out if is_test(number, share) else rest) for number in range(len(train) + len(test))]


def forms(paths: Sequence[Path]) -> list[Form]:
    """Of all files, which must be alike but for their rows. Raises ValueError."""
    found = [npz_episodes.read_form(path) for path in paths]
    for path, form in zip(paths, found, strict=True):
        if form[1:] != found[0][1:]:
            raise ValueError(
                f"All episodes must have the same shapes; {path.name} has images of {form.observation}, {form.action} "
                f"action and {form.state} state dimensions, {paths[0].name} has {found[0].observation}, "
                f"{found[0].action} and {found[0].state}. Import them into folders of their own."
            )
    return found


def about(folder: Path, files: Files, layout: Layout, env: str | None) -> About:
    """Raises UserError where the episodes cannot be of ``env``, or none is left to train on."""
    first, count = files.forms[0], len(files.paths)
    height, width, channels = first.observation
    try:
        discrete = choices(files, layout, env, height)
        split(count, files.share)
    except ValueError as error:
        raise UserError(str(error)) from error
    widths = first.action, first.state
    if env is not None:
        environment.require_actions(env, height, Shapes((height, width, channels), *widths, discrete), folder)
    rows = split_rows([form.rows for form in files.forms], files.share)
    shape = (height, width, channels)
    source = {"folder": str(folder), **layout._asdict()}
    return About(env, "imported", 0, count, files.share, *rows, shape, *widths, discrete, source, versions())


def split_rows(lengths: Sequence[int], share: float) -> tuple[int, int]:
    """Of the train and of the test episodes, given the rows of each."""
    rows = [0, 0]
    for number, length in enumerate(lengths):
        rows[is_test(number, share)] += length
    return rows[0], rows[1]


def choices(files: Files, layout: Layout, env: str | None, size: int) -> bool:
    """Whether actions are choices, which the files tell, unless ``env`` is known to take numbers. Raises ValueError."""
    if files.forms[0].action < 2 or (env is not None and not environment.shapes(env, size).discrete):
        return False
    return all(npz_episodes.one_hot(path, layout) for path in files.paths)


def versions() -> dict[str, str]:
    return provenance.versions() | {"commit": provenance.commit() or "unknown"}


def import_folder(files: Files, out: Path, described: About, layout: Layout, told: Told) -> DataFolder:
    """Add the episodes that are not there yet. Raises UserError at a faulty file; those before it are stored."""
    data = create(out, described)
    for number in range(data.episodes, described.episodes):
        try:
            data.add(npz_episodes.read(files.paths[number], layout))
        except ValueError as error:
            raise UserError(f"{error} The {data.episodes} files before it are stored: go on with --resume.") from error
        told(number + 1, described.episodes, files.forms[number].rows)
    return data


def about_run(run: Path, share: float) -> About:
    """Of the episodes that ``run`` has collected by now. Raises UserError, ReplayError."""
    config = run_folder.read_config(run)
    if config.data:
        raise UserError(
            f"A run is imported for the episodes it collected; {run} learned from {config.data.path} and collected "
            "none. Give that to --data."
        )
    form, replay = shapes(config), Replay.open(run / "replay")
    lengths = replay.lengths("train")
    try:
        split(len(lengths), share)
    except ValueError as error:
        raise UserError(str(error)) from error
    train, test = split_rows(lengths.tolist(), share)
    return About(
        env=config.env,
        policy="run",
        seed=config.seed,
        episodes=len(lengths),
        test_share=share,
        rows=train,
        test_rows=test,
        observation_shape=form.observation,
        action_size=form.action,
        state_size=form.state,
        discrete=form.discrete,
        source={"run": str(run), "fingerprint": replay.fingerprint()},
        versions=versions(),
    )


def import_run(run: Path, out: Path, described: About, told: Told) -> DataFolder:
    """Add the episodes that are not there yet, in the order in which they were collected. Raises ReplayError."""
    data, replay = create(out, described), Replay.open(run / "replay")
    for episode in islice(replay.episodes("train"), data.episodes, None):
        data.add(episode)
        told(data.episodes, described.episodes, episode.rows)
    return data


def export_folder(stored: Stored, out: Path, told: Told) -> None:
    """Write all episodes to ``out/train`` and ``out/test``. Raises ReplayError, OSError."""
    total, number = stored.train.count("train") + (stored.test.count("train") if stored.test else 0), 0
    for name, replay in (("train", stored.train), ("test", stored.test)):
        if replay is None or replay.count("train") == 0:
            continue
        (out / name).mkdir(parents=True, exist_ok=True)
        for place, episode in enumerate(replay.episodes("train")):
            npz_episodes.write(out / name / f"{place:06d}-{episode.rows}.npz", episode)
            number += 1
            told(number, total, episode.rows)
