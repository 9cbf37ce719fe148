"""The one public function: checks what came in, chooses the implementation, calls it."""

from __future__ import annotations

import torch
from torch import Tensor

from worldmodel.kernels.rssm_rollout.backend import choose
from worldmodel.kernels.rssm_rollout.weights import RSSMWeights


def rssm_rollout(
    weights: RSSMWeights,
    deter: Tensor,
    stoch: Tensor,
    actions: Tensor,
    noise: Tensor | None = None,
    impl: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Roll the RSSM's prior along given actions: the states arrived at, equal to repeated single steps.

    deter ``[..., deter]``, stoch ``[..., stoch]``, actions ``[..., horizon, action]`` and noise
    ``[..., horizon, stoch]`` (standard normal; ``None`` takes the mean). Their leading axes broadcast: a start state
    shared by all candidates is given with a candidates axis of 1 or as an expanded view, and is not copied.
    impl: ``"reference"``, ``"cpu"`` or ``"triton"``; ``None`` takes the fastest that supports the request.
    Returns ``[..., horizon, deter]`` and ``[..., horizon, stoch]``. Inputs are never written to.
    Raises ValueError where shapes do not fit, or where a named ``impl`` does not support the request.
    """
    check_shapes(weights, deter, stoch, actions, noise)
    lead = common_lead(actions.shape[:-2], deter.shape[:-1], stoch.shape[:-1], noise)
    if lead != actions.shape[:-2]:
        actions = actions.expand(*lead, *actions.shape[-2:])
    implementation = choose(impl, weights, *(t for t in (deter, stoch, actions, noise) if t is not None))
    return implementation(weights, deter, stoch, actions, noise)


def common_lead(actions: torch.Size, deter: torch.Size, stoch: torch.Size, noise: Tensor | None) -> torch.Size:
    """The leading axes that all inputs broadcast to. They mostly agree, and asking torch costs as much as a step."""
    draws = actions if noise is None else noise.shape[:-2]
    if actions == deter == stoch == draws:
        return actions
    return torch.broadcast_shapes(actions, deter, stoch, draws)


def check_shapes(weights: RSSMWeights, deter: Tensor, stoch: Tensor, actions: Tensor, noise: Tensor | None) -> None:
    """Widths against the weights, the horizon against the noise."""
    weights.check()
    sizes = weights.sizes
    widths = {"deter": (deter, sizes.deter), "stoch": (stoch, sizes.stoch), "actions": (actions, sizes.action)}
    for name, (tensor, width) in widths.items():
        if tensor.shape[-1] != width:
            raise ValueError(
                f"{name} must have {width} columns as the weights do, but its shape is {list(tensor.shape)}"
            )
    if actions.dim() < 2 or actions.shape[-2] < 1:
        raise ValueError(
            f"actions must be [..., horizon, action] with a horizon of at least 1, got {list(actions.shape)}"
        )
    if noise is not None and noise.shape[-2:] != (actions.shape[-2], sizes.stoch):
        expected = f"[..., {actions.shape[-2]}, {sizes.stoch}]"
        raise ValueError(
            f"noise must be {expected} (horizon of the actions, stoch), but its shape is {list(noise.shape)}"
        )
