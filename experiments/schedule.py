"""How many updates a run's rounds have, and the learning rate over them."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from experiments.config import TrainConfig

LEAST_SHARE = 1 / 3  # of the updates of a round that begins afresh with all episodes


def round_updates(config: TrainConfig, number: int) -> int:
    """Updates of round ``number``, from 0; where it begins afresh in proportion to the episodes there are by then, but
    no fewer than a third of ``config.updates``, and the last round may have a number of its own.
    """
    if not config.afresh:
        return config.updates
    if config.last_updates and number == config.rounds - 1:
        return config.last_updates
    episodes, last = (config.seed_episodes + played * config.episodes for played in (number, config.rounds - 1))
    return max(1, round(config.updates * max(LEAST_SHARE, episodes / last)))


def updates_before(config: TrainConfig, number: int) -> int:
    """Updates of all rounds before round ``number``; those of the run where that is the number of rounds."""
    return sum(round_updates(config, before) for before in range(number))


def cosine(optimizer: Optimizer, config: TrainConfig, done: float, first: float | None = None) -> None:
    """Set the rate: half a cosine from the first one to the final one.

    done: share of the updates with these weights, from 0 to 1.
    first: the first rate of another optimiser, whose final one is lower in proportion.
    """
    rate = config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * half_cosine(done)
    for group in optimizer.param_groups:
        group["lr"] = rate if first is None else rate * first / config.learning_rate


def falling(done: float) -> float:
    """From one to a twentieth, by half a cosine: the share of a learning rate that is lowered once, on its own."""
    return 0.05 + 0.95 * half_cosine(done)


def half_cosine(done: float) -> float:
    """From one to zero as ``done`` goes from zero to one."""
    return 0.5 * (1 + math.cos(math.pi * done))
