"""What a run learns from: its own replay, or a data folder; and the shapes that follow from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from experiments import environment
from experiments.config import DataSource, TrainConfig, from_json
from experiments.environment import Shapes
from experiments.errors import UserError
from worldmodel.data_folder import About, DataError, DataFolder, is_data_folder, open_folder
from worldmodel.replay import Replay

NO_ENV = "none"  # of data whose environment is not known


def shapes(config: TrainConfig) -> Shapes:
    """Of the data where there is a data folder (it need not be there any more), else of the environment."""
    if config.data:
        return Shapes(config.data.observation, config.data.action, config.data.state, config.data.discrete)
    return environment.shapes(config.env, config.size)


def read_source(path: Path) -> tuple[DataSource, str | None]:
    """What a configuration records of the data in ``path``, and its environment if known. Raises UserError."""
    try:
        data = open_folder(path)
    except DataError as error:
        raise UserError(str(error)) from error
    if data.train.count("train") == 0:
        raise UserError(f"There must be a train episode to learn from; {path} holds none. Collect or import some.")
    about = data.about
    form = about.observation_shape, about.action_size, about.state_size, about.discrete
    return DataSource(str(path), *form, data.fingerprint), about.env


def offline(config: TrainConfig, path: Path, env: str | None) -> TrainConfig:
    """``config`` to learn from the data in ``path``; env: what --env says. Raises UserError where they do not fit."""
    source, of = read_source(path)
    if of is None and env is not None:
        environment.require_actions(env, config.size, shapes(replace(config, data=source)), path)
    elif of is not None and not same_environment(of, env, config.env):
        raise UserError(
            f"Data and configuration must be of the same environment; {path} is of {of} ({source.action} action "
            f"dimensions), the configuration for {env or config.env}. Give --env {of}, or a preset for it."
        )
    return replace(config, data=source, env=of or env or NO_ENV, afresh=False, last_updates=0)  # between episodes


def same_environment(of: str, said: str | None, usual: str) -> bool:
    """Whether data ``of`` an environment is what --env ``said``, or, where nothing was said, of the preset's kind."""
    if said is None:
        return environment.kind(of) == environment.kind(usual)
    return of in (said, environment.resolve(said))


def moved(config: TrainConfig, path: Path) -> TrainConfig:
    """The stored configuration with the same data in another place. Raises UserError for other data."""
    if not config.data:
        raise UserError("A run that collects its own episodes goes on doing so; --data came. Leave that out.")
    check_same(read_source(path)[0].fingerprint, config.data, path)
    return replace(config, data=replace(config.data, path=str(path)))


def open_data(config: TrainConfig) -> DataFolder:
    """The data folder of an offline run, with the episodes that it began with. Raises UserError."""
    assert config.data
    path = Path(config.data.path)
    try:
        data = open_folder(path)
    except DataError as error:
        raise UserError(
            f"This run learns from {path}: {error} Where the data has moved to another place, say so with --data."
        ) from error
    check_same(data.fingerprint, config.data, path)
    return data


def check_same(fingerprint: str, recorded: DataSource, path: Path) -> None:
    if fingerprint != recorded.fingerprint:
        raise UserError(
            f"An offline run goes on with the episodes that it began with; those in {path} are others (fingerprint "
            f"{fingerprint}, not {recorded.fingerprint}). Give that data with --data, or start a new run."
        )


def stored_replay(config: TrainConfig, folder: Path) -> Replay:
    """The episodes that the run in ``folder`` learns from. Raises UserError, ReplayError."""
    return open_data(config).train if config.data else Replay.open(folder / "replay")


class Stored(NamedTuple):
    """All that is stored in a data folder, or in a run that collects: test is None there, about too."""

    train: Replay
    test: Replay | None
    about: About | None


def open_stored(path: Path) -> Stored:
    """Of a data folder, or of a run folder or its data. Raises UserError, DataError, ReplayError."""
    if is_data_folder(path):
        data = open_folder(path)
    elif not (path / "config.json").exists():
        raise UserError(
            f"A data folder (data.json) or a run folder (config.json) is needed; {path} is neither. "
            "Make one with `worldmodel collect`, `worldmodel data import` or `worldmodel train`."
        )
    else:
        config = from_json(json.loads((path / "config.json").read_bytes()))
        if config.data is None:
            return Stored(Replay.open(path / "replay"), None, None)
        data = open_data(config)
    return Stored(data.train, data.test, data.about)
