"""State-space model without a deterministic path: the whole latent is sampled at every step.

c  = elu(W_2 elu(W_1 [z, a] + b_1) + b_2)
z' ~ N(mean, std²),    (mean, raw) = W_3 c + b_3,    std = softplus(raw) + min_std

(Krishnan 2017; the purely stochastic ablation of Hafner 2019, section 3.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import Distribution, Normal, NormalLatent
from worldmodel.interface import Linearization, State
from worldmodel.kernels.mlp import mlp as kernel
from worldmodel.networks import with_jacobian
from worldmodel.rollout import rollout_by_steps


class SSM(nn.Module):
    """Purely stochastic. ``context``, what prior and encoder see, are the features c of the state and the action."""

    deter = 0

    def __init__(self, latent: NormalLatent, action: int, hidden: int):
        super().__init__()
        self.stoch, self.action, self.context, self.latent = latent.stoch, action, hidden, latent
        self.inputs = nn.Linear(self.stoch + action, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.stats = nn.Linear(hidden, latent.statistics)

    @property
    def first(self) -> Normal:
        return self.latent.standard(self.stats.bias)

    def initial(self, batch: int) -> State:
        weight = self.stats.weight
        return State(weight.new_zeros(batch, 0), weight.new_zeros(batch, self.stoch))

    def advance(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]:
        hidden = functional.elu(self.inputs(torch.cat([state.stoch, action], -1)))
        return state.deter, functional.elu(self.hidden(hidden))

    def prior(self, context: Tensor) -> Normal:
        """p(z' | z, a), ``[..., hidden]`` -> normal over ``[..., stoch]``."""
        return self.latent(self.stats(context))

    def complete(self, deter: Tensor, context: Tensor, latent: Distribution, noise: Tensor | None = None) -> State:
        return State(deter, latent.sample(noise))

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        deter, context = self.advance(state, action)
        return self.complete(deter, context, self.prior(context), noise)

    @property
    def mean_layers(self) -> tuple[Tensor, ...]:
        """Weights and biases of the network from state and action to the mean alone."""
        *layers, weight, bias = self.parameters()
        return *layers, weight[: self.stoch], bias[: self.stoch]

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        tensors = self.mean_layers if noise is None else tuple(self.parameters())

        def step(state: State, action: Tensor, noise: Tensor | None) -> State:
            raw = kernel(tensors, (state.stoch, action))
            return State(state.deter, raw if noise is None else self.latent(raw).sample(noise))

        return rollout_by_steps(step, state, actions, noise)

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        """Jacobians of the mean step, in closed form."""
        _, slope = with_jacobian(self.mean_layers, torch.cat([states.stoch, actions], -1))
        return Linearization(*slope.split([self.stoch, self.action], -1))
