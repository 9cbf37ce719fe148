"""What a sampling search looked like, for plots: summaries of the scores of every iteration."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad


class Scored(NamedTuple):
    """One iteration: ``scores [batch, candidates]``; on request ``candidates, elites [batch, n, horizon, action]``."""

    scores: Tensor
    candidates: Tensor | None
    elites: Tensor | None


def search_trace(history: list[Scored]) -> dict[str, Tensor]:
    """``best``, ``mean``, ``spread`` (std) of the finite scores and the number of ``nonfinite`` ones.

    Each is ``[iterations, batch]``. If recorded, ``candidates`` and ``elites [iterations, batch, n, horizon, action]``;
    rows are NaN where an iteration had fewer candidates than the first. Computed once at the end: the loop stays short.
    """
    most = history[0].scores.shape[1]
    scores = torch.stack([_padded(s.scores, most, math.nan) for s in history])
    finite = scores > -math.inf
    count = finite.sum(-1)
    mean = scores.masked_fill(~finite, 0.0).sum(-1) / count
    deviation = (scores - mean[..., None]).masked_fill(~finite, 0.0)
    trace = {
        "best": scores.masked_fill(~finite, -math.inf).amax(-1),
        "mean": mean,
        "spread": (deviation.square().sum(-1) / count).sqrt(),
        "nonfinite": (scores == -math.inf).sum(-1),
    }
    recorded = [(s.candidates, s.elites) for s in history if s.candidates is not None and s.elites is not None]
    if recorded:
        padded = [_padded(candidates.movedim(1, -1), most, math.nan) for candidates, _ in recorded]
        trace["candidates"] = torch.stack(padded).movedim(-1, 2)
        trace["elites"] = torch.stack([elites for _, elites in recorded])
    return trace


def _padded(x: Tensor, size: int, value: float) -> Tensor:
    return pad(x, (0, size - x.shape[-1]), value=value) if x.shape[-1] < size else x
