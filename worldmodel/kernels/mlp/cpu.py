"""The perceptron by the C++ kernel: a panel of rows runs through all layers in the cache."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from worldmodel.kernels import cpu_build
from worldmodel.kernels.packs import Packs
from worldmodel.kernels.strides import MAX_LEAD, NOTHING, described, sizes_of, threads_for

SOURCE = Path(__file__).with_name("cpu_kernel.cpp")
MAX_DEPTH, MAX_PARTS = 8, 2  # as in cpu_kernel.cpp


def mlp(tensors: Sequence[Tensor], parts: Sequence[Tensor]) -> Tensor:
    """As `mlp.reference`, where `obstacle` finds nothing against it."""
    shapes = [part.shape[:-1] for part in parts]
    lead = shapes[0] if all(shape == shapes[0] for shape in shapes) else torch.broadcast_shapes(*shapes)
    widths, rows, kernel = layer_widths(tensors), math.prod(lead), built()
    out = parts[0].new_empty(*lead, widths[-1])
    if rows == 0:
        return out
    depth, row = len(widths) - 1, as_row(widths)
    flops = 2 * sum(a * b for a, b in itertools.pairwise(widths))
    threads = threads_for(rows * flops)
    scratch = torch.empty(threads * kernel.scratch_size(depth, row))
    request = [depth, *row, rows, threads, *sizes_of(lead)]
    request += [PACKS.get(tuple(tensors)).data_ptr(), scratch.data_ptr(), out.data_ptr()]
    absent = MAX_PARTS - len(parts)
    request += [*(part.shape[-1] for part in parts), *[0] * absent]
    request += [number for part in parts for number in described(part, lead, 0)] + NOTHING * absent
    kernel.mlp((ctypes.c_int64 * len(request))(*request))
    return out


def obstacle(tensors: Sequence[Tensor], parts: Sequence[Tensor]) -> str | None:
    """Why the kernel cannot take these, or None."""
    if not parts[0].is_cpu:
        return f"it runs on the CPU, got {parts[0].device}"
    if len(parts) > MAX_PARTS or len(tensors) > 2 * MAX_DEPTH or any(part.dim() > MAX_LEAD + 1 for part in parts):
        return f"it takes at most {MAX_PARTS} parts, {MAX_DEPTH} layers and {MAX_LEAD} leading axes"
    return None if library() else "the C++ kernel could not be built here (the log says why)"


def layer_widths(tensors: Sequence[Tensor]) -> list[int]:
    return [tensors[0].shape[1], *(weight.shape[0] for weight in tensors[::2])]


def as_row(widths: list[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * (MAX_DEPTH + 1))(*widths)


@functools.cache
def library() -> ctypes.CDLL | None:
    kernel = cpu_build.library(SOURCE)
    return None if kernel is None else declare(kernel)


def declare(kernel: ctypes.CDLL) -> ctypes.CDLL:
    for name in ("packed_size", "scratch_size"):
        getattr(kernel, name).restype = ctypes.c_int64
        getattr(kernel, name).argtypes = [ctypes.c_int64, ctypes.c_void_p]
    kernel.pack_weights.restype = None
    kernel.pack_weights.argtypes = [ctypes.c_int64] + [ctypes.c_void_p] * 3
    kernel.mlp.restype = None
    kernel.mlp.argtypes = [ctypes.c_void_p]
    return kernel


def built() -> ctypes.CDLL:
    kernel = library()
    if kernel is None:
        raise RuntimeError("the CPU kernel is not built here (the log says why); use impl='reference'")
    return kernel


def pack(tensors: tuple[Tensor, ...]) -> Tensor:
    kernel, widths = built(), layer_widths(tensors)
    depth, row = len(widths) - 1, as_row(widths)
    packed = torch.zeros(kernel.packed_size(depth, row))
    contiguous = [tensor.detach().contiguous() for tensor in tensors]
    addresses = (ctypes.c_void_p * len(contiguous))(*[tensor.data_ptr() for tensor in contiguous])
    kernel.pack_weights(depth, row, addresses, packed.data_ptr())
    return packed


PACKS = Packs(pack, capacity=8)
