"""Moving average of the weights: what is planned with is steadier than what is trained (Polyak & Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averages of parameters, ``average <- decay * average + (1 - decay) * parameter`` after every update.

    The first updates are averaged evenly, with a decay of ``n / (n + 1)``, so that the initial weights are soon
    forgotten. `swap` exchanges the two: once before the model is used for planning, again before training goes on.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"The decay of the average must be in [0, 1); got {decay}. 0 keeps the last weights.")
        self._parameters: list[Tensor] = list(parameters)
        self._averages = [parameter.detach().clone() for parameter in self._parameters]
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self) -> None:
        keep = min(self.decay, self.updates / (self.updates + 1))
        torch._foreach_lerp_(self._averages, self._parameters, 1 - keep)
        self.updates += 1

    @torch.no_grad()
    def swap(self) -> None:
        for parameter, average in zip(self._parameters, self._averages, strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "averages": list(self._averages)}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Raises ValueError where the averages are of other parameters."""
        stored: list[Tensor] = state["averages"]
        shapes = [list(average.shape) for average in self._averages]
        if [list(average.shape) for average in stored] != shapes:
            raise ValueError(f"averages must be of parameters with the shapes {shapes}")
        for average, value in zip(self._averages, stored, strict=True):
            average.copy_(value)
        self.updates = state["updates"]
