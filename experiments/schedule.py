"""The learning rate over a run."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from experiments.config import TrainConfig


def cosine(optimizer: Optimizer, config: TrainConfig, updates: int, first: float | None = None) -> None:
    """Set the rate for update number ``updates``: half a cosine from the first rate to the final one.

    first: the first rate of another optimiser, whose final one is lower in proportion.
    """
    share = half_cosine(updates / max(1, config.rounds * config.updates))
    rate = config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * share
    for group in optimizer.param_groups:
        group["lr"] = rate if first is None else rate * first / config.learning_rate


def half_cosine(done: float) -> float:
    """From one to zero as ``done`` goes from zero to one."""
    return 0.5 * (1 + math.cos(math.pi * done))
