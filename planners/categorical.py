"""Discrete actions: one-hot sequences, sampled from the probabilities of each step, which are refitted to the elites.

    a = one_hot(argmax(log p + g)),  g standard Gumbel         a sample of p (Gumbel 1954; Maddison 2014)
    p = weighted share of each action among the elites         the cross-entropy method's refit (de Boer 2005, sec. 5)

A share of the uniform distribution is mixed in, or an action that no elite takes would never be tried again.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTHED = 0.05  # share of the uniform distribution after a refit
REOPENED = 0.5  # and in the probabilities that a decision takes over from the last one


def gumbel(shape: tuple[int, int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """A `planners.noise.Noise`."""
    draws = torch.rand(shape, generator=generator, device=generator.device, dtype=dtype)
    return -(-draws.clamp_(min=torch.finfo(dtype).tiny).log()).log()


def one_hot(scores: Tensor) -> Tensor:
    """One where ``scores [..., action]`` are largest (the first of equals), zero elsewhere."""
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)


def with_uniform(probabilities: Tensor, share: float) -> Tensor:
    """``[..., action]``, mixed with the uniform distribution."""
    return probabilities * (1 - share) + share / probabilities.shape[-1]
