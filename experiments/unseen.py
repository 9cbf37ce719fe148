"""Episodes that a run was not trained on: played by its planner, or kept back by its data."""

from __future__ import annotations

import itertools
from pathlib import Path

from experiments import environment
from experiments.config import TrainConfig
from experiments.data_source import open_data
from experiments.planning import make_planner, policies_for
from experiments.seeds import evaluation_seed, torch_generator
from planners.episode import run_episode
from planners.objective import LearnedReward
from worldmodel.episode import Episode
from worldmodel.sequence_vae import SequenceVAE


def played(
    model: SequenceVAE, config: TrainConfig, folder: Path, noise: list[float], seed: int, purpose: str
) -> list[Episode]:
    """One episode for each ``noise`` on the actions, side by side, from starts that no training episode has.

    With the planner of ``config.collect``. purpose: of the random numbers, which ``seed`` decides.
    """
    device = model.initial(1).state.stoch.device
    generator = torch_generator(seed, purpose, device=device.type)
    policies = policies_for(config.collect.name, folder, config, model.sizes, device)
    planner = make_planner(config.collect, model, LearnedReward(model), generator, policies)
    env = environment.make(config.env, len(noise), config.size)
    runs = run_episode(model, planner, env, evaluation_seed(seed), noise_std=noise, generator=generator)
    return [run.episode for run in runs]


def kept_back(config: TrainConfig, count: int) -> list[Episode]:
    """The first ``count`` test episodes of the data of an offline run, or all there are. Raises UserError."""
    return list(itertools.islice(open_data(config).test.episodes("train"), count))
