"""The learning rate over a run, and how many updates its rounds have."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from experiments.config import TrainConfig


def cosine(optimizer: Optimizer, config: TrainConfig, updates: int, first: float | None = None) -> None:
    """Set the rate for update number ``updates``: half a cosine from the first rate to the final one.

    first: the first rate of another optimiser, whose final one is lower in proportion.
    """
    share = half_cosine(updates / max(1, updates_before(config, config.rounds)))
    rate = config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * share
    for group in optimizer.param_groups:
        group["lr"] = rate if first is None else rate * first / config.learning_rate


def updates_before(config: TrainConfig, round_number: int) -> int:
    """Of all rounds before this one, which begin with 0; ``config.rounds`` asks for the whole run's."""
    total = config.rounds * config.updates
    if config.pace == "even" or config.data:
        return round_number * config.updates
    # a round learns while it collects: from what the rounds before it have added, and the first adds nothing
    episodes = [config.seed_episodes + max(0, at - 1) * config.episodes for at in range(config.rounds)]
    return round(total * sum(episodes[:round_number]) / sum(episodes))


def round_of(config: TrainConfig, updates: int) -> int:
    """The round, from 1 on, that update number ``updates`` (from 1 on) belongs to."""
    ends = (updates_before(config, at) for at in range(1, config.rounds + 1))
    return next((at for at, end in enumerate(ends, 1) if updates <= end), config.rounds)


def half_cosine(done: float) -> float:
    """From one to zero as ``done`` goes from zero to one."""
    return 0.5 * (1 + math.cos(math.pi * done))
