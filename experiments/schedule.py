"""The learning rate over a run."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from experiments.config import TrainConfig


def cosine(optimizer: Optimizer, config: TrainConfig, updates: int) -> None:
    """Set the rate for update number ``updates``: half a cosine from the first rate to the final one."""
    done = updates / max(1, config.rounds * config.updates)
    share = 0.5 * (1 + math.cos(math.pi * done))
    rate = config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * share
    for group in optimizer.param_groups:
        group["lr"] = rate
