"""The roll-out by the C++ kernel: float32 on the CPU, no gradients. Start states, actions and noise are read where
they lie, whatever their strides; the states are written straight into the result."""

from __future__ import annotations

import ctypes
import math

import torch
from torch import Tensor

from worldmodel.kernels.rssm_rollout.cpu_build import library
from worldmodel.kernels.rssm_rollout.packs import Packs
from worldmodel.kernels.rssm_rollout.weights import RSSMWeights

MAX_LEAD = 8  # as in cpu_kernel.cpp
FLOPS_PER_THREAD = 4e7  # below about half a millisecond of work, starting a thread costs more than it brings


def rollout(
    weights: RSSMWeights, deter: Tensor, stoch: Tensor, actions: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """As `reference.rollout`; float32 only, and the kernel must have been built (`cpu_build.library`)."""
    lead, horizon = actions.shape[:-2], actions.shape[-2]
    if len(lead) > MAX_LEAD:
        raise ValueError(f"the CPU kernel takes at most {MAX_LEAD} leading axes, got {len(lead)}; flatten some")
    sizes = weights.sizes
    deters, stochs = actions.new_empty(*lead, horizon, sizes.deter), actions.new_empty(*lead, horizon, sizes.stoch)
    rows = math.prod(lead)
    if rows == 0:
        return deters, stochs
    kernel = kernel_library()
    threads = threads_for(rows * horizon * sizes.flops(noise is not None))
    scratch = torch.empty(threads * kernel.scratch_size(*sizes))
    packed = PACKS.get(weights)
    request = [*sizes, horizon, rows, threads, *[1] * (MAX_LEAD - len(lead)), *lead]
    request += [packed.data_ptr(), scratch.data_ptr(), deters.data_ptr(), stochs.data_ptr()]
    request += [*described(deter, lead, 0), *described(stoch, lead, 0), *described(actions, lead, 1)]
    request += described(noise, lead, 1) if noise is not None else [0] * (MAX_LEAD + 3)
    kernel.rollout((ctypes.c_int64 * len(request))(*request))
    return deters, stochs


def obstacle(device: torch.device) -> str | None:
    """Why the kernel cannot run on ``device``, or None."""
    if device.type != "cpu":
        return f"it runs on the CPU, got {device}"
    return None if library() else "the C++ kernel could not be built here (the log says why)"


def described(tensor: Tensor, lead: torch.Size, steps: int) -> list[int]:
    """Address and strides (leading axes, step, feature), as the C++ struct ``Input``."""
    if tensor.shape[: -1 - steps] != lead:
        tensor = tensor.expand(*lead, *tensor.shape[-1 - steps :])
    strides = tensor.stride()
    count = len(lead)
    step = strides[count] if steps else 0
    return [tensor.data_ptr(), *[0] * (MAX_LEAD - count), *strides[:count], step, strides[-1]]


def threads_for(flops: int) -> int:
    return max(1, min(torch.get_num_threads(), int(flops / FLOPS_PER_THREAD)))


def kernel_library() -> ctypes.CDLL:
    kernel = library()
    if kernel is None:
        raise RuntimeError("the CPU kernel is not built here (the log says why); use impl='reference'")
    return kernel


def pack(weights: RSSMWeights) -> Tensor:
    kernel, sizes = kernel_library(), weights.sizes
    packed = torch.zeros(kernel.packed_size(*sizes))
    tensors = [weight.detach().contiguous() for weight in weights]
    addresses = (ctypes.c_void_p * len(tensors))(*[tensor.data_ptr() for tensor in tensors])
    kernel.pack_weights(*sizes, addresses, packed.data_ptr())
    return packed


PACKS = Packs(pack)
