"""Where a run sets out from: its last checkpoint, or the beginning where there is none yet."""

from __future__ import annotations

from pathlib import Path

import torch

from experiments import run_folder
from experiments.config import TrainConfig
from experiments.schedule import updates_before
from experiments.train import begin, resume
from experiments.training import Training


def start(config: TrainConfig, folder: Path, where: torch.device) -> Training:
    """The run in ``folder``, which `run_folder.create` made, ready for `experiments.train.train`; says which it is."""
    if run_folder.has_checkpoint(folder):
        training = resume(config, folder, where)
        print(f"continues after update {training.updates} of {updates_before(config, config.rounds)}")
        return training
    run_folder.clear_start(folder)
    if not config.data:
        print(f"collecting {config.seed_episodes} episodes of random actions")
    try:
        return begin(config, folder, where)
    except Exception:
        run_folder.remove(folder)  # a run that never began must not stand in the way of the next try
        raise
