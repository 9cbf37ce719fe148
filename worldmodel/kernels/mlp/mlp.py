"""The one public function, and the plain implementation that the C++ kernel is held against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from worldmodel.kernels.mlp import cpu
from worldmodel.kernels.watched import mixed, watched


def mlp(tensors: Sequence[Tensor], parts: Sequence[Tensor], impl: str | None = None) -> Tensor:
    """Linear layers with ELU between them, linear at the end: ``[..., outputs]``.

    tensors: weight ``[out, in]`` and bias ``[out]`` of each layer in turn. parts ``[..., width]``: the input is these
    beside each other; their leading axes broadcast, and they are read where they lie.
    impl: ``"reference"`` (everything, differentiable), ``"cpu"`` (float32 on the CPU, without gradients, at most two
    parts); None takes the faster that supports the request. Raises ValueError where widths do not fit, or where a
    named ``impl`` does not support the request.
    """
    width = sum(part.shape[-1] for part in parts)
    if width != tensors[0].shape[1]:
        widths = [part.shape[-1] for part in parts]
        raise ValueError(f"the first layer takes {tensors[0].shape[1]} columns, but the parts have {widths}")
    if impl not in (None, "reference", "cpu"):
        raise ValueError(f"impl must be reference, cpu or None, got {impl!r}")
    reason = None if impl == "reference" else obstacle(tensors, parts)
    if impl == "cpu" and reason:
        raise ValueError(f"impl='cpu' cannot do this: {reason}. Leave impl out, or take 'reference'")
    return reference(tensors, parts) if impl == "reference" or reason else cpu.mlp(tensors, parts)


def obstacle(tensors: Sequence[Tensor], parts: Sequence[Tensor]) -> str | None:
    """Why the C++ kernel cannot answer, or None."""
    everything = (*tensors, *parts)
    return mixed(everything) or watched(everything) or cpu.obstacle(tensors, parts)


def reference(tensors: Sequence[Tensor], parts: Sequence[Tensor]) -> Tensor:
    lead = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    x = torch.cat([part.expand(*lead, part.shape[-1]) for part in parts], dim=-1)
    for i in range(0, len(tensors), 2):
        x = functional.linear(functional.elu(x) if i else x, tensors[i], tensors[i + 1])
    return x
