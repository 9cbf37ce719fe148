"""Which implementation answers a request: decided once, from device, dtype, sizes and whether gradients are wanted."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor

from worldmodel.kernels.rssm_rollout import cpu, reference, triton
from worldmodel.kernels.rssm_rollout.weights import RSSMWeights
from worldmodel.kernels.watched import mixed, watched

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
    return mixed(tensors) or watched(tensors) or (cpu.obstacle(device) if impl == "cpu" else triton.obstacle(device))
