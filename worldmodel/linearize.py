"""Jacobians of any dynamics by automatic differentiation, for models that have no closed form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from worldmodel.interface import Linearization, State


def linearize_by_autodiff(step: Callable[[State, Tensor], State], states: State, actions: Tensor) -> Linearization:
    """Jacobians of the mean step at states ``[..., horizon, latent]`` and actions ``[..., horizon, action]``.

    ``step`` must treat rows alone: its output in one row depends on that row's input only. All rows share one forward
    pass and one batched backward pass (one vector-Jacobian product per latent dimension, under `vmap`). For step
    functions as small as ours this reverse mode costs half of forward mode or less. The result is a constant: no
    gradient flows through it, and none is accumulated in the parameters of ``step``.

    Raises ValueError where the leading axes of states and actions differ.
    """
    if states.deter.shape[:-1] != actions.shape[:-1]:
        raise ValueError(
            "states and actions must have the same leading axes, one action per state; got deter "
            f"{tuple(states.deter.shape)} and actions {tuple(actions.shape)}; expand one to the other"
        )
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in (*states, actions)]
        arrived = step(State(*inputs[:2]), inputs[2]).vector
    by_deter, by_stoch, by_action = rows_of_jacobian(arrived, inputs)
    return Linearization(torch.cat([by_deter, by_stoch], dim=-1), by_action)


def rows_of_jacobian(outputs: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """``d outputs[..., i] / d input[..., j]`` for each input: ``[..., out, in]``, rows independent.

    outputs ``[..., out]`` were computed from inputs ``[..., in]`` while gradients were recorded. An input that outputs
    do not depend on gets zeros.
    """
    size = outputs.shape[-1]
    if not outputs.requires_grad:
        return tuple(_no_dependence(outputs, x) for x in inputs)
    basis = torch.eye(size, dtype=outputs.dtype, device=outputs.device)
    basis = basis.view(size, *[1] * (outputs.dim() - 1), size).expand(size, *outputs.shape)
    gradients = torch.autograd.grad(outputs, inputs, basis, is_grads_batched=True, allow_unused=True)
    pairs = zip(gradients, inputs, strict=True)
    return tuple(_no_dependence(outputs, x) if g is None else g.movedim(0, -2) for g, x in pairs)


def _no_dependence(outputs: Tensor, x: Tensor) -> Tensor:
    return x.new_zeros(*outputs.shape, x.shape[-1])
