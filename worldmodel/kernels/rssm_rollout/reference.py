"""The roll-out in plain PyTorch: what every other implementation is held against. Any dtype and device, differentiable.

    x  = elu(W_x [s, a] + b_x)
    r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr),   z likewise,   n = tanh(W_in x + b_in + r (W_hn h + b_hn))
    h' = (1 - z) n + z h
    mean, raw = W_s elu(W_p h' + b_p) + b_s
    s' = mean + (softplus(raw) + 0.1) noise

Two products leave the recurrence: the actions' share of x is one product over the whole horizon, and without noise
the raw standard deviations are not computed. In-place only on fresh results whose value autograd keeps anyway.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from worldmodel.kernels.rssm_rollout.weights import MIN_STD, RSSMWeights

Step = Callable[[RSSMWeights, Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


def step(weights: RSSMWeights, by_action: Tensor, h: Tensor, s: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
    """One step of all rows; ``by_action [rows, hidden]`` is the action's share of x, bias included."""
    x = functional.elu_(torch.addmm(by_action, s, weights.inputs_weight[:, : s.shape[-1]].t()))
    h = gru(weights, x, h)
    return h, sample(weights, h, noise)


def rollout(
    weights: RSSMWeights, deter: Tensor, stoch: Tensor, actions: Tensor, noise: Tensor | None, step: Step = step
) -> tuple[Tensor, Tensor]:
    """Roll ``deter [..., deter]``, ``stoch [..., stoch]`` along ``actions [..., horizon, action]``.

    The leading axes of ``actions`` are the result's, those of the others broadcast to them. step: this module's, or
    the same one compiled. Returns ``[..., horizon, deter]`` and ``[..., horizon, stoch]``.
    """
    lead, horizon, width = actions.shape[:-2], actions.shape[-2], weights.sizes.stoch
    by_action = functional.linear(actions, weights.inputs_weight[:, width:], weights.inputs_bias)
    by_action = by_action.reshape(-1, horizon, by_action.shape[-1])
    draws = None if noise is None else noise.expand(*lead, horizon, width).reshape(-1, horizon, width)
    h = deter.expand(*lead, deter.shape[-1]).reshape(-1, deter.shape[-1])
    s = stoch.expand(*lead, width).reshape(-1, width)
    deters, stochs = [], []
    for t in range(horizon):
        h, s = step(weights, by_action[:, t], h, s, None if draws is None else draws[:, t])
        deters.append(h)
        stochs.append(s)
    shape = (*lead, horizon, -1)
    return torch.stack(deters, 1).reshape(shape), torch.stack(stochs, 1).reshape(shape)


def gru(weights: RSSMWeights, x: Tensor, h: Tensor) -> Tensor:
    """`torch.nn.GRUCell`, ``x [rows, hidden]``, ``h [rows, deter]`` -> ``[rows, deter]``."""
    size = h.shape[-1]
    from_input = torch.addmm(weights.gru_bias_ih, x, weights.gru_weight_ih.t())
    from_deter = torch.addmm(weights.gru_bias_hh, h, weights.gru_weight_hh.t())
    r, z = (from_input[:, : 2 * size] + from_deter[:, : 2 * size]).sigmoid_().chunk(2, 1)
    n = torch.addcmul(from_input[:, 2 * size :], r, from_deter[:, 2 * size :]).tanh_()
    return torch.lerp(n, h, z)


def sample(weights: RSSMWeights, h: Tensor, noise: Tensor | None) -> Tensor:
    """The prior's mean, or its sample at ``noise [rows, stoch]``."""
    width = weights.stats_weight.shape[0] // 2
    p = functional.elu_(torch.addmm(weights.prior_bias, h, weights.prior_weight.t()))
    if noise is None:
        return torch.addmm(weights.stats_bias[:width], p, weights.stats_weight[:width].t())
    mean, raw = torch.addmm(weights.stats_bias, p, weights.stats_weight.t()).chunk(2, 1)
    return torch.addcmul(mean, functional.softplus(raw) + MIN_STD, noise)
