"""Two-level state-space model: the latent is drawn in two steps (Lee 2020, SLAC).

z1' ~ p(z1' | z2, a)
z2' ~ p(z2' | z1', z2, a)

The encoder infers z1' alone; z2' is drawn from the prior in the posterior too, so that its KL cancels. ``stoch`` of a
state is z1 beside z2, and so is the noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import Distribution, Normal, NormalLatent
from worldmodel.interface import Linearization, State
from worldmodel.kernels.mlp import mlp as kernel
from worldmodel.networks import mlp, with_jacobian
from worldmodel.rollout import rollout_by_steps


class TwoLevelSSM(nn.Module):
    """``latent`` is the family of z1, ``second`` that of z2.

    ``context``: the features of p(z1' | z2, a), then z2 and a, which z2' needs.
    """

    deter = 0

    def __init__(self, latent: NormalLatent, second: NormalLatent, action: int, hidden: int):
        super().__init__()
        self.latent, self.second, self.hidden = latent, second, hidden
        self.stoch, self.action, self.context = latent.stoch + second.stoch, action, hidden + second.stoch + action
        self.inputs = nn.Linear(second.stoch + action, hidden)
        self.stats = nn.Linear(hidden, latent.statistics)
        self.second_net = mlp(self.stoch + action, [hidden], second.statistics)

    @property
    def first(self) -> Normal:
        return self.latent.standard(self.stats.bias)

    def initial(self, batch: int) -> State:
        weight = self.stats.weight
        return State(weight.new_zeros(batch, 0), weight.new_zeros(batch, self.stoch))

    def advance(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]:
        cause = torch.cat([state.stoch[..., self.latent.stoch :], action], -1)
        return state.deter, torch.cat([functional.elu(self.inputs(cause)), cause], -1)

    def prior(self, context: Tensor) -> Normal:
        """p(z1' | z2, a), ``[..., context]`` -> normal over z1, ``[..., latent.stoch]``."""
        return self.latent(self.stats(context[..., : self.hidden]))

    def complete(self, deter: Tensor, context: Tensor, latent: Distribution, noise: Tensor | None = None) -> State:
        """z1' from ``latent``, z2' from p(z2' | z1', z2, a)."""
        noises = (None, None) if noise is None else noise.split([self.latent.stoch, self.second.stoch], -1)
        z1 = latent.sample(noises[0])
        raw = kernel(tuple(self.second_net.parameters()), (z1, context[..., self.hidden :]))
        return State(deter, torch.cat([z1, self.second(raw).sample(noises[1])], -1))

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        deter, context = self.advance(state, action)
        return self.complete(deter, context, self.prior(context), noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        return rollout_by_steps(self.step, state, actions, noise)

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        """Jacobians of the mean step, in closed form: through z1', and past it."""
        first, second = self.latent.stoch, self.second.stoch
        cause = torch.cat([states.stoch[..., first:], actions], -1)
        tensors = (*self.inputs.parameters(), self.stats.weight[:first], self.stats.bias[:first])
        z1, upper = with_jacobian(tensors, cause)
        *layers, weight, bias = self.second_net.parameters()
        _, slope = with_jacobian((*layers, weight[:second], bias[:second]), torch.cat([z1, cause], -1))
        through, past = slope.split([first, second + self.action], -1)
        both = torch.cat([upper, past + through @ upper], -2)  # d [z1', z2'] / d [z2, a]
        by_second, by_action = both.split([second, self.action], -1)
        nothing = by_second.new_zeros(*by_second.shape[:-1], first)  # z1 tells nothing that z2 does not
        return Linearization(torch.cat([nothing, by_second], -1), by_action)
