"""Curvature of the dynamics: what a straight line gets wrong (PCC, Levine 2020, section 4.3; PC3, Shu 2020)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def curvature(
    step: Callable[[Tensor, Tensor], Tensor], latent: Tensor, action: Tensor, moved: tuple[Tensor, Tensor]
) -> Tensor:
    """``‖f(z + η, u + ξ) - f(z, u) - (∂f/∂z η + ∂f/∂u ξ)‖²``, ``[...]``.

    step: f, the mean dynamics, ``[..., latent], [..., action] -> [..., latent]``, rows independent. moved: η and ξ,
    like latent and action. Zero for linear dynamics, and of the fourth order in small moves for smooth ones.
    """
    here, along, *_ = torch.func.jvp(step, (latent, action), moved)
    there = step(latent + moved[0], action + moved[1])
    return (there - here - along).square().sum(-1)


def moves(noise: Tensor, action: int, radius: float) -> tuple[Tensor, Tensor]:
    """η and ξ for every row but the first, of std ``radius``, made of the noise ``[batch, time, stoch]`` at hand.

    A row's latent holds its own noise; what moves it is therefore that of the next row, and the action that of the
    row after (of the window's first, at its end). Actions wider than the latent repeat columns.
    """
    columns = torch.arange(action, device=noise.device) % noise.shape[-1]
    return radius * noise[:, 1:], radius * noise.roll(-1, 1)[:, 1:][..., columns]
