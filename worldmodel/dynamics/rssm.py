"""Recurrent state-space model: a deterministic GRU path and a sampled latent (Hafner 2019, PlaNet, section 3).

x  = elu(W_x [s, a] + b_x)
h' = GRU(x, h)
s' ~ latent(W_s elu(W_p h' + b_p) + b_s)

``latent`` is the family of the stochastic part: diagonal normals (PlaNet), categorical variables (Hafner 2021,
DreamerV2), or points, which leaves no noise at all: the deterministic ablation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import CategoricalLatent, Distribution, Family, NormalLatent
from worldmodel.interface import Linearization, State
from worldmodel.kernels.rssm_rollout import MIN_STD, RSSMWeights, rssm_rollout
from worldmodel.networks import elu_slope, gru
from worldmodel.rollout import rollout_by_steps


class RSSM(nn.Module):
    """The dynamics of PlaNet and Dreamer. ``context``, what prior and encoder see, is the deterministic state."""

    def __init__(self, deter: int, latent: Family, action: int, hidden: int):
        super().__init__()
        require_std_of_kernel(latent)
        self.deter, self.stoch, self.action, self.context = deter, latent.stoch, action, deter
        self.latent, self.first = latent, None
        self.inputs = nn.Linear(self.stoch + action, hidden)
        self.gru = nn.GRUCell(hidden, deter)
        self.prior_hidden = nn.Linear(deter, hidden)
        self.prior_stats = nn.Linear(hidden, latent.statistics)

    def initial(self, batch: int) -> State:
        """Zeros ``[batch, ...]``: the first prior is what one step from here gives."""
        weight = self.inputs.weight
        return State(weight.new_zeros(batch, self.deter), weight.new_zeros(batch, self.stoch))

    def advance(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]:
        """The deterministic half of a step: next ``deter`` and the context of prior and encoder (here the same)."""
        hidden = functional.elu(self.inputs(torch.cat([state.stoch, action], -1)))
        deter = gru(self.gru, hidden, state.deter)
        return deter, deter

    def prior(self, context: Tensor) -> Distribution:
        """p(s' | h'), ``[..., deter]`` -> distribution over ``[..., stoch]``."""
        return self.latent(self.prior_stats(functional.elu(self.prior_hidden(context))))

    def complete(self, deter: Tensor, context: Tensor, latent: Distribution, noise: Tensor | None = None) -> State:
        return State(deter, latent.sample(noise))

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        deter, context = self.advance(state, action)
        return self.complete(deter, context, self.prior(context), noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        """By the fused kernels where the latent is normal, else by a loop that multiplies the actions beforehand."""
        if isinstance(self.latent, NormalLatent):
            return State(*rssm_rollout(self.weights, state.deter, state.stoch, actions, noise))
        by_stoch, by_action = self.inputs.weight.split([self.stoch, self.action], 1)

        def step(state: State, pushed: Tensor, noise: Tensor | None) -> State:
            hidden = functional.elu(torch.addmm(pushed, state.stoch, by_stoch.t()))
            deter = gru(self.gru, hidden, state.deter)
            return self.complete(deter, deter, self.prior(deter), noise)

        return rollout_by_steps(step, state, functional.linear(actions, by_action, self.inputs.bias), noise)

    @property
    def weights(self) -> RSSMWeights:
        """The parameters as the roll-out kernels take them (normal latents)."""
        gates = (self.gru.weight_ih, self.gru.weight_hh, self.gru.bias_ih, self.gru.bias_hh)
        prior = (self.prior_hidden.weight, self.prior_hidden.bias, self.prior_stats.weight, self.prior_stats.bias)
        return RSSMWeights(self.inputs.weight, self.inputs.bias, *gates, *prior)

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        """Closed-form Jacobians of the mean step: the chain rule through the GRU, two batched products a layer.

        Those of categorical variables are of the straight-through gradient.
        """
        h, s_width = states.deter, self.stoch
        u = self.inputs(torch.cat([states.stoch, actions], -1))
        x = functional.elu(u)
        from_input = functional.linear(x, self.gru.weight_ih, self.gru.bias_ih).chunk(3, -1)
        from_deter = functional.linear(h, self.gru.weight_hh, self.gru.bias_hh).chunk(3, -1)
        r, z = torch.sigmoid(from_input[0] + from_deter[0]), torch.sigmoid(from_input[1] + from_deter[1])
        n = torch.tanh(from_input[2] + r * from_deter[2])

        dx = elu_slope(u)[..., None] * self.inputs.weight  # d x / d [s, a]
        input_r, input_z, input_n = (self.gru.weight_ih @ dx).chunk(3, -2)
        deter_r, deter_z, deter_n = self.gru.weight_hh.chunk(3, 0)
        slope_r, slope_z, slope_n = (r - r * r) * from_deter[2], z - z * z, 1 - n * n
        gain_n = ((1 - z) * slope_n)[..., None]
        gain_z = ((h - n) * slope_z)[..., None]
        by_input = gain_n * (input_n + slope_r[..., None] * input_r) + gain_z * input_z
        by_deter = gain_n * (r[..., None] * deter_n + slope_r[..., None] * deter_r) + gain_z * deter_z
        by_deter = by_deter + torch.diag_embed(z)

        following = n + z * (h - n)
        p = self.prior_hidden(following)
        to_mean = self.prior_stats.weight[:s_width] @ (elu_slope(p)[..., None] * self.prior_hidden.weight)
        if isinstance(self.latent, CategoricalLatent):
            to_mean = self.latent.slope(self.prior_stats(functional.elu(p)), to_mean)  # d s' / d h'
        by_state = torch.cat([by_deter, by_input[..., :s_width]], -1)
        by_action = by_input[..., s_width:]
        A = torch.cat([by_state, to_mean @ by_state], -2)
        B = torch.cat([by_action, to_mean @ by_action], -2)
        return Linearization(A, B)


def require_std_of_kernel(latent: Family) -> None:
    if isinstance(latent, NormalLatent) and latent.min_std != MIN_STD:
        raise ValueError(
            f"The kernels roll normals whose std is at least {MIN_STD}; got min_std={latent.min_std}. "
            "Leave it out for an RSSM, or choose another dynamics."
        )
