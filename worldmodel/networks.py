"""The multi-layer perceptron that all parts share, with its Jacobian, and torch's GRU for any leading axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with ELU between them, linear at the end: ``[..., inputs] -> [..., outputs]``.

    ELU, not ReLU, because iLQR and the gradient planner differentiate through these layers.
    """
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ELU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def normed_mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with layer norm and SiLU between them, linear at the end: ``[..., inputs] -> [..., outputs]``.

    As in DreamerV3 (Hafner 2023): it learns functions of what varies little in a latent, such as a small angle, in a
    fraction of the updates.
    """
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def with_jacobian(tensors: Sequence[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Output of linear layers with ELU between them and its derivative at ``x [..., inputs]``, in closed form.

    tensors: weight and bias of each layer in turn, as `worldmodel.kernels.mlp` takes them. Returns ``[..., outputs]``
    and ``[..., outputs, inputs]``: the chain rule, one batched product a layer.
    """
    weight, bias = tensors[:2]
    value, derivative = functional.linear(x, weight, bias), weight.expand(*x.shape[:-1], *weight.shape)
    for i in range(2, len(tensors), 2):
        derivative = tensors[i] @ (elu_slope(value)[..., None] * derivative)
        value = functional.linear(functional.elu(value), tensors[i], tensors[i + 1])
    return value, derivative


def elu_slope(x: Tensor) -> Tensor:
    return torch.exp(x.clamp(max=0))


def gru(cell: nn.GRUCell, x: Tensor, h: Tensor) -> Tensor:
    """torch's GRUCell in linear operations, so that any leading axes, vmap and forward-mode derivatives work."""
    input_r, input_z, input_n = functional.linear(x, cell.weight_ih, cell.bias_ih).chunk(3, -1)
    deter_r, deter_z, deter_n = functional.linear(h, cell.weight_hh, cell.bias_hh).chunk(3, -1)
    r = torch.sigmoid(input_r + deter_r)
    z = torch.sigmoid(input_z + deter_z)
    n = torch.tanh(torch.addcmul(input_n, r, deter_n))
    return torch.lerp(n, h, z)
