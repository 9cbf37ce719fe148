"""Where every random number comes from: seeds derived from the run's seed, with a purpose each."""

from __future__ import annotations

import numpy as np
import torch

HALF = 2**31  # environment seeds below are for training, from here on for evaluation: they can never coincide
MOST_EPISODES = 2**20  # side by side, each with a seed of its own


def stream(seed: int, *purpose: int | str) -> np.random.SeedSequence:
    """An independent stream of random numbers for one purpose of one run."""
    words = [int.from_bytes(p.encode()[:8].ljust(8, b"\0"), "little") if isinstance(p, str) else p for p in purpose]
    return np.random.SeedSequence([seed, *words])


def training_seed(seed: int, number: int) -> int:
    """First seed of the training episodes collected in round ``number``, one each from here on; all below 2^31."""
    return int(stream(seed, "train", number).generate_state(1)[0]) % (HALF - MOST_EPISODES)


def evaluation_seed(seed: int) -> int:
    """First seed of the evaluation episodes; all from 2^31 on, so never those of a training episode."""
    return int(stream(seed, "evaluate").generate_state(1)[0]) % (HALF - MOST_EPISODES) + HALF


def torch_generator(seed: int, *purpose: int | str, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device=device).manual_seed(int(stream(seed, *purpose).generate_state(1, np.uint64)[0] >> 1))


def numpy_generator(seed: int, *purpose: int | str) -> np.random.Generator:
    return np.random.default_rng(stream(seed, *purpose))
