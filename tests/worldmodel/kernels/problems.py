"""Roll-out problems of any size, and torch's own step by step answer in float64."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.kernels.rssm_rollout import RSSMWeights
from worldmodel.kernels.rssm_rollout.weights import RolloutSizes

ODD = RolloutSizes(deter=37, stoch=11, action=3, hidden=29, prior=23)
ROUND = RolloutSizes(deter=64, stoch=16, action=2, hidden=64, prior=64)
PLANET = RolloutSizes(deter=200, stoch=30, action=6, hidden=200, prior=200)
TINY = RolloutSizes(deter=1, stoch=1, action=1, hidden=1, prior=1)


class Problem(NamedTuple):
    weights: RSSMWeights
    deter: Tensor
    stoch: Tensor
    actions: Tensor
    noise: Tensor | None

    def to(self, dtype: torch.dtype) -> Problem:
        weights = RSSMWeights(*(weight.to(dtype) for weight in self.weights))
        return Problem(weights, *(None if t is None else t.to(dtype) for t in self[1:]))


def make_weights(sizes: RolloutSizes, seed: int = 0) -> RSSMWeights:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inputs = nn.Linear(sizes.stoch + sizes.action, sizes.hidden)
        gru = nn.GRUCell(sizes.hidden, sizes.deter)
        prior, stats = nn.Linear(sizes.deter, sizes.prior), nn.Linear(sizes.prior, 2 * sizes.stoch)
    gates = (gru.weight_ih, gru.weight_hh, gru.bias_ih, gru.bias_hh)
    tensors = (inputs.weight, inputs.bias, *gates, prior.weight, prior.bias, stats.weight, stats.bias)
    return RSSMWeights(*(tensor.detach().clone() for tensor in tensors))


def make(
    sizes: RolloutSizes, lead: tuple[int, ...], horizon: int, sampled: bool, reach: float = 3.0, seed: int = 0
) -> Problem:
    """Start states per candidate; actions of ``reach`` standard deviation, by default so large that every
    nonlinearity is used beyond its linear part."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    deter, stoch = normal(*lead, sizes.deter).tanh(), 2 * normal(*lead, sizes.stoch)
    actions = reach * normal(*lead, horizon, sizes.action)
    noise = normal(*lead, horizon, sizes.stoch) if sampled else None
    return Problem(make_weights(sizes, seed), deter, stoch, actions, noise)


def step_by_step(problem: Problem) -> tuple[Tensor, Tensor]:
    """Float64, one `torch.gru_cell` a step: shares nothing with the package's code."""
    w, h, s, actions, noise = problem.to(torch.float64)
    lead, horizon = torch.broadcast_shapes(h.shape[:-1], actions.shape[:-2]), actions.shape[-2]
    h, s = h.expand(*lead, -1).reshape(-1, h.shape[-1]), s.expand(*lead, -1).reshape(-1, s.shape[-1])
    actions = actions.expand(*lead, *actions.shape[-2:]).reshape(len(h), horizon, -1)
    deters, stochs = [], []
    for t in range(horizon):
        x = functional.elu(functional.linear(torch.cat([s, actions[:, t]], -1), w.inputs_weight, w.inputs_bias))
        h = torch.gru_cell(x, h, w.gru_weight_ih, w.gru_weight_hh, w.gru_bias_ih, w.gru_bias_hh)
        p = functional.elu(functional.linear(h, w.prior_weight, w.prior_bias))
        mean, raw = functional.linear(p, w.stats_weight, w.stats_bias).chunk(2, -1)
        draw = 0.0 if noise is None else noise.expand(*lead, *noise.shape[-2:]).reshape(len(h), horizon, -1)[:, t]
        s = mean + (functional.softplus(raw) + 0.1) * draw
        deters.append(h)
        stochs.append(s)
    shape = (*lead, horizon, -1)
    return torch.stack(deters, 1).reshape(shape), torch.stack(stochs, 1).reshape(shape)


def error(result: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> float:
    """Largest error relative to the largest value; infinite where a result is not finite or has another shape."""
    worst = 0.0
    for got, want in zip(result, expected, strict=True):
        if got.shape != want.shape or not got.isfinite().all():
            return float("inf")
        worst = max(worst, ((got.double() - want).abs().max() / want.abs().max()).item())
    return worst
