"""What lies in a run folder, and who may write to it.

config.json       the configuration, for people; the checkpoint holds its own copy, which counts
metrics.jsonl     losses and returns
checkpoint/       weights, optimiser, random states
replay/           the episodes; an offline run has none, config.json says where its data lies
open_loop.webp    truth, model and error, at the end of training
tensorboard/      the same numbers and more pictures, where --log asked for them
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from experiments.config import TrainConfig, from_json, to_json
from experiments.data_source import shapes
from experiments.errors import UserError
from worldmodel import checkpoint
from worldmodel.build import build
from worldmodel.durable import write_whole
from worldmodel.sequence_vae import SequenceVAE


def create(folder: Path, config: TrainConfig) -> None:
    """Make the folder and write `config.json`. Raises UserError where something is there already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"A run needs a folder of its own; {folder} exists. Continue that run with --resume, "
            "choose another with --out, or delete it."
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "config.json", (json.dumps(to_json(config), indent=1) + "\n").encode())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for this out of the run, until it is left or this one dies. Raises UserError."""
    if os.name == "nt":  # which has locks of another kind
        yield
        return
    import fcntl

    with (folder / "config.json").open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"A run is written by one process at a time; another has {folder}. Wait for its end, or end it."
            ) from error
        yield


def has_checkpoint(folder: Path) -> bool:
    """False for a run that was stopped while its first episodes were collected."""
    return (folder / "checkpoint").exists() and any((folder / "checkpoint").glob("checkpoint-*[0-9]"))


def read_config(folder: Path) -> TrainConfig:
    """The configuration of the run in ``folder``. Raises UserError where there is no run or two are mixed."""
    try:
        named = from_json(json.loads((folder / "config.json").read_bytes()))
    except (OSError, json.JSONDecodeError) as error:
        came = "cannot be read" if (folder / "config.json").exists() else "does not exist"
        raise UserError(
            f"A run folder holds the config.json that `worldmodel train` wrote; {folder / 'config.json'} {came}. "
            "Give the folder of a run, or train one."
        ) from error
    if has_checkpoint(folder) and from_json(checkpoint.load_config(folder / "checkpoint")) != named:
        raise UserError(
            f"config.json and checkpoint of a run must be of the same run; in {folder} they differ. "
            "The checkpoint is foreign or config.json was edited: put back the one that belongs here."
        )
    return named


def load_model(folder: Path, device: torch.device) -> tuple[TrainConfig, SequenceVAE]:
    """The configuration and the model of the last checkpoint, ready to be used, not trained."""
    config = read_config(folder)
    form = shapes(config)
    model = build(config.model, form.observation, form.action, form.discrete)
    checkpoint.load_weights(folder / "checkpoint", model)
    return config, model.to(device).eval().requires_grad_(False)


def clear_start(folder: Path) -> None:
    """Remove the episodes of a run that has no checkpoint: they are collected anew, to the same bits."""
    if not has_checkpoint(folder):
        shutil.rmtree(folder / "replay", ignore_errors=True)


def remove(folder: Path) -> None:
    """Delete a run. Raises UserError for a folder that is none: nobody loses what was not a run's."""
    if folder.exists() and not (folder / "config.json").exists():
        raise UserError(
            f"Only a run folder is replaced; {folder} has no config.json. Choose another with --out or delete it."
        )
    shutil.rmtree(folder, ignore_errors=True)
