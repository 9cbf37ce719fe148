"""The one multi-layer perceptron that all parts share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with ELU between them, linear at the end: ``[..., inputs] -> [..., outputs]``.

    ELU, not ReLU, because iLQR and the gradient planner differentiate through these layers.
    """
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ELU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
