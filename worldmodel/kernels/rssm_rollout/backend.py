"""Which implementation answers a request: decided once, from device, dtype, sizes and whether gradients are wanted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

from worldmodel.kernels.rssm_rollout import cpu, cpu_build, reference
from worldmodel.kernels.rssm_rollout.weights import RSSMWeights

Rollout = Callable[[RSSMWeights, Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
NAMES = ("reference", "cpu", "triton")


def choose(impl: str | None, weights: RSSMWeights, *inputs: Tensor) -> Rollout:
    """The implementation: the fastest that supports the request, or the named one, or ValueError saying why not."""
    if impl is None:
        return reference.rollout if cpu_obstacle(weights, inputs) else cpu.rollout
    if impl == "reference":
        return reference.rollout
    if impl not in NAMES:
        raise ValueError(f"impl must be one of {', '.join(NAMES)} or None, got {impl!r}")
    obstacle = cpu_obstacle(weights, inputs)
    if obstacle:
        raise ValueError(f"impl='{impl}' cannot do this roll-out: {obstacle}. Leave impl out, or take 'reference'")
    return cpu.rollout


def cpu_obstacle(weights: RSSMWeights, inputs: tuple[Tensor, ...]) -> str | None:
    """Why the C++ kernel cannot answer, or None."""
    tensors = (*weights, *inputs)
    for tensor in tensors:
        if not tensor.is_cpu or tensor.dtype is not torch.float32:
            return f"it needs float32 on the CPU everywhere, got {kinds(tensors)}"
    return watched(tensors) or (None if cpu_build.library() else "it could not be built here (the log says why)")


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
