"""Small sequence VAEs and windows of random experience for the tests of this folder.

A new dynamics or encoder comes under the contract by one entry in `CONFIGS`.
"""

from __future__ import annotations

from typing import get_args, get_type_hints

import torch
from torch import Tensor

from worldmodel.build import ModelConfig, build
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

SIZE, ACTION = 16, 2
SMALL = {"deter": 7, "stoch": 3, "hidden": 6, "width": 2}  # odd, and all different

CONFIGS = {
    "rssm, state encoder, patches": ModelConfig(**SMALL, images="patch", free_nats=0.0),
    "rssm, state encoder, fine patches": ModelConfig(**SMALL, images="fine", free_nats=0.0),
    "rssm, state encoder, convolutions": ModelConfig(**SMALL, images="conv", free_nats=0.0),
    "rssm, stack of frames, bernoulli": ModelConfig(
        **SMALL, encoder="frame", stack=2, likelihood="bernoulli", free_nats=0.0
    ),
    "rssm, fine patches, pixels in own units": ModelConfig(
        **SMALL, images="fine", likelihood="own-units", free_nats=0.0
    ),
    "rssm, recurrent encoder": ModelConfig(**SMALL, encoder="recurrent", free_nats=0.0),
    "rssm, transformer": ModelConfig(**SMALL, encoder="transformer", heads=3, window=3, free_nats=0.0),
    "categorical, state encoder": ModelConfig(**SMALL | {"stoch": 6}, dynamics="categorical", classes=3, free_nats=0.0),
    "deterministic, state encoder": ModelConfig(**SMALL, dynamics="deterministic", free_nats=0.0),
    "ssm, state encoder": ModelConfig(**SMALL, dynamics="ssm", free_nats=0.0),
    "two-level, state encoder": ModelConfig(**SMALL | {"stoch": 5}, dynamics="two-level", first_level=2, free_nats=0.0),
    "locally linear, state encoder": ModelConfig(**SMALL, dynamics="locally-linear", free_nats=0.0),
    "linear-Gaussian, state encoder": ModelConfig(**SMALL, dynamics="linear-gaussian", free_nats=0.0),
    "locally linear, stack of frames": ModelConfig(
        **SMALL, dynamics="locally-linear", encoder="frame", stack=2, free_nats=0.0
    ),
    "linear-Gaussian, one frame": ModelConfig(**SMALL, dynamics="linear-gaussian", encoder="frame", free_nats=0.0),
    "pairs of E2C": ModelConfig(**SMALL, dynamics="locally-linear", encoder="frame", stack=2, objective="e2c"),
    "pairs of PCC": ModelConfig(**SMALL, dynamics="ssm", encoder="recurrent", objective="pcc"),
    "locally linear, poses": ModelConfig(**SMALL, dynamics="locally-linear", encoder="pose", free_nats=0.0),
    "pairs of poses": ModelConfig(
        **SMALL | {"stoch": 4}, dynamics="locally-linear", encoder="pose", stack=2, objective="pcc"
    ),
}
NAMES = list(CONFIGS)
INDEPENDENT = [
    "locally linear, stack of frames",
    "linear-Gaussian, one frame",
    "pairs of E2C",
    "locally linear, poses",
    "pairs of poses",
]  # of all but the last frames
FILTERING = [name for name in NAMES if name not in INDEPENDENT]

DYNAMICS = get_args(get_type_hints(ModelConfig)["dynamics"])
ENCODERS = get_args(get_type_hints(ModelConfig)["encoder"])
NOT_POSES = ("categorical", "deterministic")  # dynamics whose latent is not normal


def small_model(name: str = NAMES[0], dtype: torch.dtype = torch.float64, **fields: object) -> SequenceVAE:
    """A model of `CONFIGS` with fixed random weights, three times as large as usual: what is wired wrongly shows."""
    return enlarged(ModelConfig(**{**vars(CONFIGS[name]), **fields}), dtype)


def paired_model(dynamics: str, encoder: str, dtype: torch.dtype = torch.float64) -> SequenceVAE:
    """Any dynamics with any encoder."""
    sizes = SMALL | {"stoch": 6}
    return enlarged(ModelConfig(**sizes, dynamics=dynamics, encoder=encoder, classes=3, heads=3, free_nats=0.0), dtype)


def enlarged(config: ModelConfig, dtype: torch.dtype) -> SequenceVAE:
    """All weights three times as large, but for dynamics that nothing bounds: their states would leave all numbers.

    And but for logarithms, of which three times is a power.
    """
    torch.manual_seed(0)
    model = build(config, (SIZE, SIZE, 3), ACTION).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == "encoder.log_gain":
                continue
            parameter.mul_(0.6 if name.startswith("dynamics.") and not model.sizes.deter else 3)
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
