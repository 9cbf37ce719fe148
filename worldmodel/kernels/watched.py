"""Whether somebody watches the arithmetic itself: then only plain PyTorch will do, and no fused kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad


def watched(tensors: Sequence[Tensor]) -> str | None:
    """Who needs plain PyTorch for these inputs (autograd, forward mode, `torch.func`, `torch.compile`), or None."""
    if torch.compiler.is_compiling():
        return "torch.compile traces it"
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return "gradients are wanted (use torch.no_grad())"
    # PyTorch has no public question for "are we inside a transform", and asking each tensor would cost more.
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms it"
    if forward_ad._current_level >= 0:
        return "forward-mode derivatives are wanted"
    return None


def mixed(tensors: Sequence[Tensor]) -> str | None:
    """What keeps the tensors from being float32 on one device, or None."""
    device = tensors[-1].device
    for tensor in tensors:
        if tensor.device != device or tensor.dtype is not torch.float32:
            kinds = sorted({f"{each.dtype} on {each.device}" for each in tensors})
            return f"it needs float32 on one device everywhere, got {', '.join(kinds)}"
    return None
