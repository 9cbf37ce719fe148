"""Small sequence VAEs and windows of random experience for the tests of this folder.

A new dynamics or encoder comes under the contract by one entry in `CONFIGS`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worldmodel.build import ModelConfig, build
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

SIZE, ACTION = 16, 2
SMALL = {"deter": 7, "stoch": 3, "hidden": 6, "width": 2}  # odd, and all different

CONFIGS = {
    "rssm, state encoder, patches": ModelConfig(**SMALL, images="patch", free_nats=0.0),
    "rssm, state encoder, convolutions": ModelConfig(**SMALL, images="conv", free_nats=0.0),
    "rssm, stack of frames, bernoulli": ModelConfig(
        **SMALL, encoder="frame", stack=2, likelihood="bernoulli", free_nats=0.0
    ),
    "rssm, recurrent encoder": ModelConfig(**SMALL, encoder="recurrent", free_nats=0.0),
    "rssm, transformer": ModelConfig(**SMALL, encoder="transformer", heads=3, window=3, free_nats=0.0),
}
NAMES = list(CONFIGS)


def small_model(name: str = NAMES[0], dtype: torch.dtype = torch.float64, **fields: object) -> SequenceVAE:
    """A model of `CONFIGS` with fixed random weights, three times as large as usual: what is wired wrongly shows."""
    torch.manual_seed(0)
    config = ModelConfig(**{**vars(CONFIGS[name]), **fields})
    model = build(config, (SIZE, SIZE, 3), ACTION).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def windows(batch: int = 3, time: int = 11, seed: int = 0, dtype: torch.dtype = torch.float64) -> Batch:
    """Random rows that are all of one episode, which began before them, and all valid."""
    generator = torch.Generator().manual_seed(seed)
    nothing = torch.zeros(batch, time, dtype=torch.bool)
    return Batch(
        observation=torch.randint(0, 256, (batch, time, SIZE, SIZE, 3), generator=generator, dtype=torch.uint8),
        action=torch.rand(batch, time, ACTION, generator=generator, dtype=torch.float64).to(dtype) * 2 - 1,
        reward=torch.rand(batch, time, generator=generator, dtype=torch.float64).to(dtype),
        terminated=nothing,
        is_first=nothing,
        state=torch.zeros(batch, time, 0, dtype=torch.float64),
        valid=~nothing,
    )


def starting_at(batch: Batch, row: int, *sequences: int) -> Batch:
    """The same windows with an episode's start in one row of the given sequences (of all if none is given)."""
    is_first = batch.is_first.clone()
    is_first[list(sequences) or slice(None), row] = True
    return batch._replace(is_first=is_first)


def cut(batch: Batch, sequences: slice, rows: slice = slice(None)) -> Batch:
    return Batch(*(field[sequences, rows] for field in batch))


def normal(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """The same numbers, but for rounding, in any dtype."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
