"""Losses on episodes that are never learned from: the same windows and the same noise at every checkpoint."""

from __future__ import annotations

import torch

from experiments.config import TrainConfig
from experiments.data_source import open_data
from experiments.seeds import numpy_generator, torch_generator
from worldmodel.fit import mean_losses
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

BATCHES = 4  # of the size that the run trains on


@torch.no_grad()
def held_out_losses(model: SequenceVAE, config: TrainConfig) -> dict[str, float]:
    """Mean of every term over windows of the data's test episodes; empty where there are none."""
    replay = open_data(config).test
    if replay.count("train") == 0:  # the whole of a test replay is there to be drawn from
        return {}
    drawn, generator = numpy_generator(config.seed, "held out"), torch_generator(config.seed, "held out")
    device = next(model.parameters()).device
    found: list[dict[str, float]] = []
    for _ in range(BATCHES):
        batch = Batch(*(field.to(device) for field in replay.sample(config.batch, config.length, drawn)))
        noise = torch.randn((config.batch, config.length, config.model.stoch), generator=generator).to(device)
        found.append({name: float(value) for name, value in mean_losses(model, batch, noise, 0)[0].items()})
    return {name: sum(one[name] for one in found) / BATCHES for name in found[0]}
