"""Which implementation answers a request: decided once, from device, dtype, sizes and whether gradients are wanted."""

from __future__ import annotations

from torch import Tensor

from worldmodel.kernels.rssm_rollout.weights import RSSMWeights

NAMES = ("reference", "cpu", "triton")


def choose(
    impl: str | None, weights: RSSMWeights, deter: Tensor, stoch: Tensor, actions: Tensor, noise: Tensor | None
) -> str:
    """Name of the implementation; ValueError where a named one does not support the request."""
    if impl not in (None, "reference"):
        raise ValueError(f"impl must be one of {NAMES} or None, got {impl!r}")
    return "reference"
