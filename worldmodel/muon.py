"""Muon (Jordan 2024): the momentum of each weight matrix made orthogonal, so that all its directions move alike.

What image networks learn late, such as a thin pole before a wide background, are directions of small gradient. Adam's
scale per weight leaves them small; here they get the same step as the large ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)

STEPS = 5  # of Newton and Schulz's iteration: singular values end in about [0.7, 1.2]
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of its odd polynomial, chosen to be steep at zero (Jordan 2024)
UPDATE_RMS = 0.2  # about that of Adam's updates, so that learning rates mean the same


def orthogonal(matrix: Tensor) -> Tensor:
    """About ``U Vᵀ`` of the singular value decomposition ``U S Vᵀ`` of ``matrix [rows, columns]``.

    The iteration ``X <- (a + b XXᵀ + c (XXᵀ)²) X``, done on the small square ``XXᵀ`` alone: a wide matrix is multiplied
    twice rather than at every step.
    """
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / wide.norm().clamp(min=1e-12)
    gram = x @ x.mT
    factor = torch.eye(len(gram), dtype=x.dtype, device=x.device)
    first, third, fifth = COEFFICIENTS
    for _ in range(STEPS):
        polynomial = torch.addmm(gram, gram, gram, beta=third, alpha=fifth)
        polynomial.diagonal().add_(first)
        factor, gram = polynomial @ factor, polynomial @ gram @ polynomial
    return (factor @ x).mT if matrix.shape[0] > matrix.shape[1] else factor @ x


class Muon(torch.optim.Optimizer):
    """Weights of two dimensions or more by Muon, a convolution's as ``[first axis, all else]``; the rest by Adam, and
    what `by_adam` marks.

    torch's own Muon multiplies in bfloat16, which is slow on a CPU. momentum: Nesterov's. betas, eps: Adam's.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-5,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    (self._turn if is_matrix(parameter) else self._adam)(parameter, group)

    def _turn(self, weight: Tensor, group: dict[str, Any]) -> None:
        """With the scale of Liu 2025, eq. 4."""
        state, gradient = self.state[weight], weight.grad
        assert gradient is not None
        if not state:
            state["mean"] = torch.zeros_like(weight)
        state["mean"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(state["mean"], group["momentum"]).flatten(1)
        size = UPDATE_RMS * max(ahead.shape) ** 0.5
        weight.add_(orthogonal(ahead).view_as(weight), alpha=-group["lr"] * size)

    def _adam(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Kingma & Ba 2015, algorithm 1."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
        state["step"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
        parameter.addcdiv_(state["mean"], spread, value=-group["lr"] / (1 - first ** state["step"]))


def by_adam(layer: Layer) -> Layer:
    """Mark the weights of ``layer`` as none of Muon's: those that meet the outside, such as one that paints pixels."""
    for parameter in layer.parameters():
        parameter.by_adam = True  # type: ignore[attr-defined]
    return layer


def is_matrix(parameter: Tensor) -> bool:
    """Whether Muon takes it. A single row or column has one direction alone: there is nothing to even out."""
    marked = getattr(parameter, "by_adam", False)
    return not marked and parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) > 1
