"""Which implementation answers a request: decided once, from device, dtype, sizes and whether gradients are wanted."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

from worldmodel.kernels.rssm_rollout import cpu, reference, triton
from worldmodel.kernels.rssm_rollout.weights import RSSMWeights

Rollout = Callable[[RSSMWeights, Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
IMPLEMENTATIONS: dict[str, Rollout] = {
    "reference": reference.rollout,
    "cpu": cpu.rollout,
    "triton": triton.rollout,
    "triton-tf32": functools.partial(triton.rollout, precision="tf32"),
}


def choose(impl: str | None, weights: RSSMWeights, *inputs: Tensor) -> Rollout:
    """The implementation: the fastest that supports the request, or the named one, or ValueError saying why not."""
    tensors = (*weights, *inputs)
    if impl is None:
        name = "cpu" if inputs[0].is_cpu else "triton"
        return IMPLEMENTATIONS["reference" if obstacle(name, tensors) else name]
    if impl not in IMPLEMENTATIONS:
        raise ValueError(f"impl must be one of {', '.join(IMPLEMENTATIONS)} or None, got {impl!r}")
    reason = obstacle(impl, tensors)
    if reason:
        raise ValueError(f"impl='{impl}' cannot do this roll-out: {reason}. Leave impl out, or take 'reference'")
    return IMPLEMENTATIONS[impl]


def obstacle(impl: str, tensors: tuple[Tensor, ...]) -> str | None:
    """Why ``impl`` cannot answer a request with these tensors, or None."""
    if impl == "reference":
        return None
    device = tensors[-1].device
    for tensor in tensors:
        if tensor.device != device or tensor.dtype is not torch.float32:
            return f"it needs float32 on one device everywhere, got {kinds(tensors)}"
    return watched(tensors) or (cpu.obstacle(device) if impl == "cpu" else triton.obstacle(device))


def kinds(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(sorted({f"{tensor.dtype} on {tensor.device}" for tensor in tensors}))


def watched(tensors: tuple[Tensor, ...]) -> str | None:
    """Who watches the arithmetic itself, and so needs plain PyTorch: autograd, torch.func, torch.compile."""
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
