"""`worldmodel probe RUN`: how much of the true state the belief tells, and how much one frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from experiments import environment, run_folder
from experiments.commands.leading import leading, wants_help
from experiments.state_probe import Variables, filter_all, padded, replayed, variables
from worldmodel.episode import Episode
from worldmodel.images import to_model
from worldmodel.insight.probes import linear_probe
from worldmodel.sequence_vae import SequenceVAE

EXPLAIN = (
    "R² of a linear probe on held-out episodes of the run's replay; 1: all of it, 0: nothing. "
    "belief: the filtered latent; frame: the encoder's features of the last frame alone."
)


@dataclass(frozen=True)
class Arguments:
    """How well each variable of the true state can be read, by a straight line, off the belief and off one frame."""

    run: tyro.conf.Positional[Path]
    """Run folder, as `worldmodel train` wrote it, of an environment that tells its true state."""


def run(argv: list[str]) -> None:
    """Raises UserError, CheckpointError."""
    if not wants_help(argv):
        leading(argv, "worldmodel probe RUN")
    folder = tyro.cli(Arguments, prog="worldmodel probe", args=argv).run
    torch.set_num_threads(1)
    config, model = run_folder.load_model(folder, torch.device("cpu"))
    episodes = replayed(folder)  # raises where none of them tells the true state
    Console().print(table(*compare(model, environment.variables(config.env, config.size), episodes)))
    print(EXPLAIN)


def compare(model: SequenceVAE, task: Variables, episodes: list[Episode]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Variables, and R² ``[variables]`` from the belief and from one frame; angles as sine and cosine."""
    filtered, described, there = filter_all(model, task, episodes)
    number = torch.arange(len(episodes))[:, None].expand(there.shape)[there].numpy()
    truth = described[there].numpy()
    belief, frame = (
        linear_probe(features[there].numpy(), truth, number).r2
        for features in (filtered.vector, frame_features(model, episodes))
    )
    return variables(task.state_names), belief, frame


@torch.no_grad()
def frame_features(model: SequenceVAE, episodes: list[Episode]) -> Tensor:
    """What the encoder makes of every frame by itself, ``[episodes, rows, features]``; zeros past an episode's end."""
    images = (to_model(torch.from_numpy(e.observation), torch.float32) for e in episodes)
    features = [model.encoder.features(image).numpy() for image in images]
    return torch.from_numpy(padded(features))


def table(names: list[str], belief: np.ndarray, frame: np.ndarray) -> Table:
    shown = Table("variable", "belief", "frame", box=box.SIMPLE)
    for name, *scores in zip(names, belief, frame, strict=True):
        shown.add_row(name, *(f"{score:.3f}" for score in scores))
    return shown
