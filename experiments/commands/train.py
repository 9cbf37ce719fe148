"""`worldmodel train PRESET`: a run from the first episode to the video, or the rest of one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from experiments import check_config, device, environment, run_folder, tensorboard_log
from experiments.commands.leading import leading, option, wants_help, without
from experiments.config import TrainConfig
from experiments.data_source import NO_ENV, moved, offline, open_data, shapes
from experiments.errors import UserError
from experiments.model_presets import as_published
from experiments.presets import preset
from experiments.progress import TrainingProgress
from experiments.schedule import updates_before
from experiments.start import start
from experiments.train import replay_rows, train
from experiments.training import Training
from experiments.video import write_video
from worldmodel.build import ModelConfig
from worldmodel.replay import bytes_needed

USAGE = "worldmodel train PRESET [options]"


@dataclass(frozen=True)
class Arguments:
    """Learn a world model from pixels. A run stopped at any moment continues with --resume to the same numbers.

    --model NAME, before all --model.* options, takes the parts of a published system: see `worldmodel models`.
    """

    preset: tyro.conf.Positional[str]
    """Where all defaults below come from: pendulum, cartpole, planar, dmc or tiny (seconds; learns nothing)."""
    out: Path | None = None
    """Run folder; runs/PRESET if not given."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint."""
    workers: Literal[0, 1] = 1
    """1 collects in a second process while this one trains, 0 in this one; the numbers are the same."""
    data: Path | None = None
    """Learn from this data folder alone (`worldmodel collect`, `worldmodel data import`): offline, no environment."""
    render: Literal["smooth", "fast", "default", "rays"] | None = None
    """Of dmc: tasks: smooth leaves out shadows and reflections; fast anti-aliasing too, twice as quick; default is the
    literature's pictures, some 15 times as slow; rays needs no graphics library. Pictures of different ones cannot be
    mixed. smooth, or rays where there is no graphics library, if not given."""
    action_repeat: int | None = None
    """How often dmc:, gym: and module:Class environments repeat an action; their own value if not given."""
    log: Literal["tensorboard"] | None = None
    """Who else keeps a record, beside metrics.jsonl: numbers, open-loop videos and beliefs for tensorboard --logdir
    RUN; it takes pip install "worldmodel-planners[tensorboard]"."""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)


def run(argv: list[str]) -> None:
    """Raises UserError for what cannot be asked for; KeyboardInterrupt says how to go on."""
    arguments = parse(argv)
    folder = arguments.out or Path("runs") / arguments.preset
    if arguments.resume:
        run_folder.read_config(folder)
    train_run(arguments.preset, arguments.config, folder, arguments.resume, arguments.workers, arguments.log)
    if arguments.config.env != NO_ENV:
        planner = "cem" if arguments.config.agent == "planner" else "actor"
        print(f"next: worldmodel evaluate {folder} --planner {planner} --episodes 20")


def parse(argv: list[str]) -> Arguments:
    """Defaults are the preset's; with --resume those of the run, from which nothing may differ."""
    if wants_help(argv[:1]):
        tyro.cli(Arguments, prog="worldmodel train", args=["--help"], config=(tyro.conf.FlagConversionOff,))
    name = leading(argv, USAGE)
    config = preset(name)
    resuming, data = "--resume" in argv, option(argv, "--data")
    if resuming:
        config = stored_config(name, Path(option(argv, "--out") or Path("runs") / name))
    if data:
        config = moved(config, Path(data)) if resuming else offline(config, Path(data), option(argv, "--env"))
    wanted = replace(config, model=published(argv, config.model))
    default = Arguments(name, config=wanted)
    arguments = tyro.cli(Arguments, prog="worldmodel train", args=without(argv, "--model"), default=default)
    arguments = replace(arguments, config=in_full(arguments, wanted.env))
    if resuming and arguments.config != config:
        raise UserError(
            f"A resumed run goes on with the configuration it was started with; {differences(arguments.config, config)}"
            " came. Leave that out, or start a new run with another --out."
        )
    return arguments


def in_full(arguments: Arguments, of: str) -> TrainConfig:
    """The configuration with all that decides what is seen in the environment's name; of: that of the data, if any."""
    config = arguments.config
    if config.data:
        return replace(config, env=of)
    name = environment.with_options(config.env, render=arguments.render, repeat=arguments.action_repeat)
    return replace(config, env=environment.resolve(name))


def published(argv: list[str], model: ModelConfig) -> ModelConfig:
    """``model`` with the parts of the system that --model names, if it is there."""
    if argv[-1] == "--model":
        raise UserError("--model takes the name of a published system; none came. `worldmodel models` lists them.")
    system = option(argv, "--model")
    return model if system is None else as_published(system, model)


def stored_config(name: str, folder: Path) -> TrainConfig:
    config = run_folder.read_config(folder)
    if environment.kind(config.env) != environment.kind(preset(name).env) and not config.data:
        raise UserError(
            f"A run is resumed with a preset for its environment; {folder} learns {config.env}, the preset {name} is "
            f"for {preset(name).env}. Give another preset or another --out."
        )
    return config


def differences(given: Any, stored: Any, prefix: str = "--") -> str:
    """E.g. ``--batch 32 (stored: 16)`` for each field that differs."""
    found = []
    for item in fields(given):
        new, old = getattr(given, item.name), getattr(stored, item.name)
        if is_dataclass(new):
            found += [differences(new, old, f"{prefix}{item.name}.")] if new != old else []
        elif new != old:
            found.append(f"{prefix}{item.name.replace('_', '-')} {new} (stored: {old})")
    return ", ".join(found)


def train_run(
    name: str,
    config: TrainConfig,
    folder: Path,
    resuming: bool = False,
    workers: int = 1,
    log: Literal["tensorboard"] | None = None,
) -> Training:
    """A whole run in ``folder``, told on the terminal; its video at the end. name: of the preset."""
    check_config.check(config)
    if log:
        tensorboard_log.require()
    where = device.choose(config.device)
    torch.set_num_threads(config.threads)
    if not resuming:
        run_folder.create(folder, config)
    print(device.describe(where))
    if said := environment.describe(config.env):
        print(said)
    print(describe_replay(config, folder))
    training = None
    try:
        training = start(config, folder, where)
        with tracked(training, log), TrainingProgress(config, training.updates) as progress:
            train(training, progress, workers)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(how_to_go_on(name, folder, training, log)) from None
    print(f"wrote {write_video(training.model, config, folder)}")
    return training


@contextlib.contextmanager
def tracked(training: Training, log: Literal["tensorboard"] | None) -> Iterator[None]:
    """While inside, what happens in the run goes to ``log`` too."""
    if log is None:
        yield
        return
    with tensorboard_log.TensorBoardLog(training.config, training.folder, training.updates) as training.tracker:
        print(f"log: tensorboard --logdir {training.folder}")
        yield


def how_to_go_on(name: str, folder: Path, training: Training | None, log: str | None) -> str:
    saved = updates_before(training.config, training.round) if training else 0
    more = f" --log {log}" if log else ""
    return f"Go on from update {saved} with: worldmodel train {name} --resume --out {folder}{more}"


def describe_replay(config: TrainConfig, folder: Path) -> str:
    """E.g. ``replay: at most 71,565,312 bytes (72 MB, 18000 rows of 32×32) in runs/x/replay; 19.2 GB free``."""
    if config.data:
        data = open_data(config)
        train, test = data.train, data.test
        return (
            f"data: {train.count('train')} episodes to train on, {test.count('train')} to test on, {train.rows} and "
            f"{test.rows} rows, in {data.folder}"
        )
    rows, form = replay_rows(config), shapes(config)
    size = bytes_needed(rows, form.observation, form.action, form.state)
    existing = next(place for place in [folder, *folder.absolute().parents] if place.exists())
    free = shutil.disk_usage(existing).free
    return (
        f"replay: at most {size:,} bytes on disk ({size / 1e6:.0f} MB, {rows} rows of {config.size}×{config.size} "
        f"pixels) in {os.fspath(folder / 'replay')}; {free / 1e9:.1f} GB free"
    )
