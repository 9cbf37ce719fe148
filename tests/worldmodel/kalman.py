"""Exact inference in linear-Gaussian models, for the tests that hold the evidence lower bound against it.

z_1 ~ N(0, I),   z_t = A z_{t-1} + b_t + N(0, Q),   x_t = C z_t + d + N(0, r² I),   b_t = B a_t + c

Row t of ``pushes [batch, time, stoch]`` is b_t; row 0 of it counts for nothing. ``pixels [batch, time, pixels]``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, distributions


class System(NamedTuple):
    A: Tensor  # [stoch, stoch]
    Q: Tensor  # [stoch, stoch]
    C: Tensor  # [pixels, stoch]
    d: Tensor  # [pixels]
    r: float


def log_likelihood(system: System, pushes: Tensor, pixels: Tensor) -> Tensor:
    """log p(x_1:T | a), ``[batch]``, by the filter of Kalman (1960): the sum of what each image says given the past."""
    A, Q, C, d, r = system
    stoch = len(A)
    mean, covariance = pixels.new_zeros(len(pixels), stoch), torch.eye(stoch, dtype=pixels.dtype)
    noise, total = r**2 * torch.eye(len(d), dtype=pixels.dtype), pixels.new_zeros(len(pixels))
    for t in range(pixels.shape[1]):
        if t > 0:
            mean, covariance = mean @ A.T + pushes[:, t], A @ covariance @ A.T + Q
        spread = C @ covariance @ C.T + noise
        error = pixels[:, t] - mean @ C.T - d
        total = total + distributions.MultivariateNormal(torch.zeros_like(d), spread).log_prob(error)
        gain = torch.linalg.solve(spread, C @ covariance).T
        mean, covariance = mean + error @ gain.T, covariance - gain @ C @ covariance
    return total


class Evidence(NamedTuple):
    """What images say about a state: a likelihood proportional to ``exp(-½ zᵀ precision z + pull · z)``."""

    precision: Tensor  # [time, stoch, stoch]
    pull: Tensor  # [batch, time, stoch]


def evidence_of_each_image(system: System, pixels: Tensor) -> Evidence:
    """p(x_t | z_t)."""
    _, _, C, d, r = system
    return Evidence((C.T @ C / r**2).expand(pixels.shape[1], -1, -1), (pixels - d) @ C / r**2)


def evidence_of_the_future(system: System, pushes: Tensor, pixels: Tensor) -> Evidence:
    """p(x_t, ..., x_T | z_t), by the recursion from the end (the backward half of Rauch, Tung & Striebel 1965)."""
    A, Q = system.A, system.Q
    own, identity = evidence_of_each_image(system, pixels), torch.eye(len(A), dtype=pixels.dtype)
    precisions, pulls = [own.precision[-1]], [own.pull[:, -1]]
    for t in reversed(range(pixels.shape[1] - 1)):
        shrink = torch.linalg.inv(identity + precisions[0] @ Q)  # what the transition's noise leaves of it
        precision, pull = shrink @ precisions[0], pulls[0] @ shrink.T
        precisions.insert(0, own.precision[t] + A.T @ precision @ A)
        pulls.insert(0, own.pull[:, t] + (pull - pushes[:, t + 1] @ precision.T) @ A)
    return Evidence(torch.stack(precisions), torch.stack(pulls, 1))
