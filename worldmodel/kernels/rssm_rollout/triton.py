"""The roll-out by the Triton kernel: float32 tensors on CUDA (compute capability 8.0 or newer), no gradients.

Operands are bfloat16 with float32 sums by default; ``tf32`` is the option whose elites are those of float32.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from types import ModuleType
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from worldmodel.kernels.packs import Packs
from worldmodel.kernels.rssm_rollout.weights import RSSMWeights

Precision = Literal["bf16", "tf32"]


class Tiles(NamedTuple):
    """Candidates a program, outputs and gate outputs a tile, inner products' step, and how the compiler is to run."""

    candidates: int
    outputs: int
    gates: int
    step: int
    stages: int
    warps: int


# The largest that compile without spilling for compute capability 8.0, 9.0 and 10.0; tests hold that.
NARROW: dict[Precision, Tiles] = {
    "bf16": Tiles(candidates=16, outputs=256, gates=128, step=32, stages=3, warps=8),
    "tf32": Tiles(candidates=16, outputs=128, gates=64, step=32, stages=3, warps=8),
}
WIDE: dict[Precision, Tiles] = {
    "bf16": Tiles(candidates=32, outputs=128, gates=64, step=32, stages=3, warps=8),
    "tf32": Tiles(candidates=32, outputs=128, gates=64, step=32, stages=3, warps=8),
}
OPERANDS: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "tf32": torch.float32}


# Packs that CUDA graphs were recorded with. A graph repeats its kernels on their memory, and nobody tells when it ends.
RECORDED: dict[int, Packed] = {}


class Packed(NamedTuple):
    """As the kernel takes them: weights ``[out, in padded to whole steps]`` in the operands' type, float32 biases."""

    inputs: Tensor
    gates_input: Tensor
    gates_deter: Tensor
    prior: Tensor
    stats: Tensor
    inputs_bias: Tensor
    gates_bias: Tensor
    prior_bias: Tensor
    stats_bias: Tensor


def rollout(
    weights: RSSMWeights,
    deter: Tensor,
    stoch: Tensor,
    actions: Tensor,
    noise: Tensor | None,
    precision: Precision = "bf16",
    tiles: Tiles | None = None,
) -> tuple[Tensor, Tensor]:
    """As `reference.rollout`, in float32 with operands of ``precision``."""
    lead, horizon = actions.shape[:-2], actions.shape[-2]
    sizes, rows = weights.sizes, math.prod(lead)
    deters, stochs = actions.new_empty(*lead, horizon, sizes.deter), actions.new_empty(*lead, horizon, sizes.stoch)
    if rows == 0:
        return deters, stochs
    tiles = tiles or tiles_for(rows, precision, actions.device)
    packed = packs(precision, tiles.step).get(weights)
    if actions.is_cuda and torch.cuda.is_current_stream_capturing():
        RECORDED[packed.inputs.data_ptr()] = packed
    inputs = [two_level(deter, lead, 1), two_level(stoch, lead, 1), two_level(actions, lead, 2)]
    inputs.append(inputs[2] if noise is None else two_level(noise, lead, 2))
    padded = padded_widths(weights, tiles.step)
    programs = -(-rows // tiles.candidates)
    width = sum(padded) + padded[2]  # deter twice: one step reads it while the next is written
    scratch = torch.empty(programs * tiles.candidates * width, dtype=OPERANDS[precision], device=actions.device)
    with torch.cuda.device_of(actions):  # Triton launches on the current device
        kernel().rollout_kernel[(programs,)](
            *inputs,
            deters,
            stochs,
            scratch,
            *packed,
            rows,
            lead[-1] if lead else 1,
            horizon,
            *sizes,
            *padded,
            *(stride for tensor in inputs for stride in tensor.stride()),
            **constants(weights, noise is not None, precision, tiles),
            num_warps=tiles.warps,
            num_stages=tiles.stages,
        )
    return deters, stochs


def tiles_for(rows: int, precision: Precision, device: torch.device) -> Tiles:
    """Few candidates a program while every program has a multiprocessor to itself: the latency is then that of one.
    With more, each program streams the weights for twice as many. (By argument; nobody has measured it yet.)"""
    at_once = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    fits = rows <= at_once * NARROW[precision].candidates
    return (NARROW if fits else WIDE)[precision]


def constants(weights: RSSMWeights, sampled: bool, precision: Precision, tiles: Tiles) -> dict[str, object]:
    """The kernel's compile-time arguments. Tiles of outputs are no wider than small layers need, and whole steps wide,
    so that each layer writes the padding that the next one reads."""
    sizes = weights.sizes
    return {
        "BN": tiles.candidates,
        "BO": min(tiles.outputs, power_of_two(max(sizes.hidden, sizes.prior), least=tiles.step)),
        "BG": min(tiles.gates, power_of_two(sizes.deter, least=tiles.step)),
        "BS": min(tiles.gates, power_of_two(sizes.stoch, least=16)),
        "BA": min(tiles.gates, power_of_two(sizes.action, least=1)),
        "BK": tiles.step,
        "SAMPLED": sampled,
        "PRECISION": "tf32",  # has no meaning for bfloat16 operands, which are exact in it
        "UPCAST": False,
    }


def two_level(tensor: Tensor, lead: torch.Size, trailing: int) -> Tensor:
    """``[outer, inner, ...]`` with the last leading axis as ``inner``: a view wherever strides allow it."""
    rest = tensor.shape[tensor.dim() - trailing :]
    return tensor.expand(*lead, *rest).reshape(-1, lead[-1] if lead else 1, *rest)


def power_of_two(value: int, least: int) -> int:
    return max(least, 1 << (value - 1).bit_length())


def padded_widths(weights: RSSMWeights, step: int) -> list[int]:
    sizes = weights.sizes
    return [-(-width // step) * step for width in (sizes.stoch + sizes.action, sizes.hidden, sizes.deter, sizes.prior)]


@functools.cache
def packs(precision: Precision, step: int) -> Packs[RSSMWeights, Packed]:
    return Packs(functools.partial(pack, dtype=OPERANDS[precision], step=step))


def pack(weights: RSSMWeights, dtype: torch.dtype, step: int) -> Packed:
    recurrent = (weights.gru_weight_ih, weights.gru_weight_hh)
    matrices = (weights.inputs_weight, *recurrent, weights.prior_weight, weights.stats_weight)
    ih, hh = weights.gru_bias_ih.detach().chunk(3), weights.gru_bias_hh.detach().chunk(3)
    gates = torch.cat([ih[0] + hh[0], ih[1] + hh[1], ih[2], hh[2]])
    biases = (weights.inputs_bias.detach(), gates, weights.prior_bias.detach(), weights.stats_bias.detach())
    return Packed(*(padded_inputs(m, dtype, step) for m in matrices), *(bias.contiguous() for bias in biases))


def padded_inputs(matrix: Tensor, dtype: torch.dtype, step: int) -> Tensor:
    width = -(-matrix.shape[1] // step) * step
    result = matrix.new_zeros(matrix.shape[0], width, dtype=dtype)
    result[:, : matrix.shape[1]] = matrix.detach()
    return result


@functools.cache
def kernel() -> ModuleType:
    """Imported at the first launch: the CPU build of PyTorch comes without Triton."""
    from worldmodel.kernels.rssm_rollout import triton_kernel

    return triton_kernel


@functools.cache
def obstacle(device: torch.device) -> str | None:
    """Why the kernel cannot run on ``device``, or None."""
    if device.type != "cuda":
        return f"it needs a CUDA device, got {device}"
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        return f"it needs compute capability 8.0 or newer, and {device} has {capability[0]}.{capability[1]}"
    return None
