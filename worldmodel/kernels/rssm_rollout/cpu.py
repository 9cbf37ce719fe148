"""The roll-out by the C++ kernel: float32 on the CPU, no gradients. Start states, actions and noise are read where
they lie, whatever their strides; the states are written straight into the result."""

from __future__ import annotations

import ctypes
import functools
import math
from pathlib import Path

import torch
from torch import Tensor

from worldmodel.kernels import cpu_build
from worldmodel.kernels.packs import Packs
from worldmodel.kernels.rssm_rollout.weights import RSSMWeights
from worldmodel.kernels.strides import NOTHING, described, sizes_of, threads_for

SOURCE = Path(__file__).with_name("cpu_kernel.cpp")


def rollout(
    weights: RSSMWeights, deter: Tensor, stoch: Tensor, actions: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """As `reference.rollout`; float32 only, and the kernel must have been built (`obstacle`)."""
    lead, horizon = actions.shape[:-2], actions.shape[-2]
    sizes, lead_sizes = weights.sizes, sizes_of(lead)
    deters, stochs = actions.new_empty(*lead, horizon, sizes.deter), actions.new_empty(*lead, horizon, sizes.stoch)
    rows = math.prod(lead)
    if rows == 0:
        return deters, stochs
    kernel = built()
    threads = threads_for(rows * horizon * sizes.flops(noise is not None))
    scratch = torch.empty(threads * kernel.scratch_size(*sizes))
    packed = PACKS.get(weights)
    request = [*sizes, horizon, rows, threads, *lead_sizes]
    request += [packed.data_ptr(), scratch.data_ptr(), deters.data_ptr(), stochs.data_ptr()]
    request += [*described(deter, lead, 0), *described(stoch, lead, 0), *described(actions, lead, 1)]
    request += NOTHING if noise is None else described(noise, lead, 1)
    kernel.rollout((ctypes.c_int64 * len(request))(*request))
    return deters, stochs


def obstacle(device: torch.device) -> str | None:
    """Why the kernel cannot run on ``device``, or None."""
    if device.type != "cpu":
        return f"it runs on the CPU, got {device}"
    return None if library() else "the C++ kernel could not be built here (the log says why)"


@functools.cache
def library() -> ctypes.CDLL | None:
    kernel = cpu_build.library(SOURCE)
    return None if kernel is None else declare(kernel)


def declare(kernel: ctypes.CDLL) -> ctypes.CDLL:
    for name in ("packed_size", "scratch_size"):
        getattr(kernel, name).restype = ctypes.c_int64
        getattr(kernel, name).argtypes = [ctypes.c_int64] * 5
    kernel.pack_weights.restype = None
    kernel.pack_weights.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * 2
    kernel.rollout.restype = None
    kernel.rollout.argtypes = [ctypes.c_void_p]
    return kernel


def built() -> ctypes.CDLL:
    kernel = library()
    if kernel is None:
        raise RuntimeError("the CPU kernel is not built here (the log says why); use impl='reference'")
    return kernel


def pack(weights: RSSMWeights) -> Tensor:
    kernel, sizes = built(), weights.sizes
    packed = torch.zeros(kernel.packed_size(*sizes))
    tensors = [weight.detach().contiguous() for weight in weights]
    addresses = (ctypes.c_void_p * len(tensors))(*[tensor.data_ptr() for tensor in tensors])
    kernel.pack_weights(*sizes, addresses, packed.data_ptr())
    return packed


PACKS = Packs(pack)
