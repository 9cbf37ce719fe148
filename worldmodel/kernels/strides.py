"""How tensors are described to the C++ kernels: where they lie, with whatever strides, so that nothing is copied."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_LEAD = 8  # as in panels.h
FLOPS_PER_THREAD = 4e7  # below about half a millisecond of work, starting a thread costs more than it brings
NOTHING = [0] * (MAX_LEAD + 3)  # an absent input


def described(tensor: Tensor, lead: torch.Size, steps: int) -> list[int]:
    """Address and strides (leading axes, step, feature), as the C++ struct ``Input``. ``tensor`` is ``[..., feature]``
    or with ``steps=1`` ``[..., step, feature]``, and ``...`` broadcasts to ``lead``."""
    if tensor.shape[: -1 - steps] != lead:
        tensor = tensor.expand(*lead, *tensor.shape[-1 - steps :])
    strides, count = tensor.stride(), len(lead)
    step = strides[count] if steps else 0
    return [tensor.data_ptr(), *[0] * (MAX_LEAD - count), *strides[:count], step, strides[-1]]


def sizes_of(lead: torch.Size) -> list[int]:
    """Sizes of the leading axes as the C++ kernels take them. ValueError where there are more than they know."""
    if len(lead) > MAX_LEAD:
        raise ValueError(f"the CPU kernels take at most {MAX_LEAD} leading axes, got {list(lead)}; flatten some")
    return [1] * (MAX_LEAD - len(lead)) + list(lead)


def threads_for(flops: int) -> int:
    """As many as PyTorch would use, but no more than the work is worth."""
    return max(1, min(torch.get_num_threads(), int(flops / FLOPS_PER_THREAD)))
