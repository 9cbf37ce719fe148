"""What sampling planners perturb their mean with: white, uniform or coloured noise, ``[count, horizon, action]``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[tuple[int, int, int], torch.Generator, torch.dtype], Tensor]


def white(shape: tuple[int, int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Standard normal, independent from step to step."""
    return torch.randn(shape, generator=generator, device=generator.device, dtype=dtype)


def uniform(shape: tuple[int, int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Uniform on [-1, 1]: with a mean of zero and a std of one, all actions alike."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=dtype) * 2 - 1


@dataclass(frozen=True)
class Coloured:
    """Normal noise of unit variance with power spectrum ``1 / f^exponent`` along the horizon (Pinneri 2020, sec. 3.1).

    0 is white, 1 pink, 2 Brownian. The spectrum is that of one period of the horizon (Timmer & König 1995); the lowest
    frequency, 1 / horizon, also stands for the constant part.
    """

    exponent: float

    def __call__(self, shape: tuple[int, int, int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        draws = white(shape, generator, dtype)
        return colouring(shape[1], self.exponent, dtype, draws.device) @ draws


@cache
def colouring(horizon: int, exponent: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix ``[horizon, horizon]`` that turns white noise into coloured noise of unit variance.

    Scaling the Fourier components of white noise is linear and the same for every sample: one matrix product does it.
    """
    scale = np.maximum(np.fft.rfftfreq(horizon), 1 / horizon) ** (-exponent / 2)
    matrix = np.fft.irfft(scale[:, None] * np.fft.rfft(np.eye(horizon), axis=0), n=horizon, axis=0)
    return torch.as_tensor(matrix / np.linalg.norm(matrix[0]), dtype=dtype, device=device)
