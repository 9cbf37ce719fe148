"""Linear-Gaussian dynamics: one model for all states, the case of Kalman's filter (and the prior of SOLAR, Zhang 2019).

z' = A z + B a + c + Q^½ noise,    Q diagonal

That Q is diagonal costs nothing: a rotation of the latent makes it so and leaves the standard normal p(z_1) as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import Distribution, Normal, NormalLatent
from worldmodel.dynamics.process_noise import ProcessNoise
from worldmodel.interface import Linearization, State
from worldmodel.rollout import rollout_by_steps


class LinearGaussian(nn.Module):
    """Begins as z' = z. ``context``, what prior and encoder see, is the mean of the next state."""

    deter = 0

    def __init__(self, latent: NormalLatent, action: int):
        super().__init__()
        self.stoch, self.action, self.context, self.latent = latent.stoch, action, latent.stoch, latent
        self.A = nn.Parameter(torch.eye(self.stoch))
        self.inputs = nn.Linear(action, self.stoch)  # B and c
        self.process_noise = ProcessNoise(latent)

    @property
    def first(self) -> Normal:
        return self.process_noise.first

    def initial(self, batch: int) -> State:
        return State(self.A.new_zeros(batch, 0), self.A.new_zeros(batch, self.stoch))

    def advance(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]:
        return state.deter, functional.linear(state.stoch, self.A) + self.inputs(action)

    def prior(self, context: Tensor) -> Normal:
        return self.process_noise.around(context)

    def complete(self, deter: Tensor, context: Tensor, latent: Distribution, noise: Tensor | None = None) -> State:
        return State(deter, latent.sample(noise))

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        deter, context = self.advance(state, action)
        return self.complete(deter, context, self.prior(context), noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        """What does not depend on the state, B a + c and the noise, is one product over the whole horizon."""
        pushes = self.inputs(actions)
        if noise is not None:
            pushes = pushes + self.process_noise.std * noise

        def step(state: State, push: Tensor, noise: Tensor | None) -> State:
            return State(state.deter, torch.addmm(push, state.stoch, self.A.t()))

        return rollout_by_steps(step, state, pushes)

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        """The same everywhere: views of A and B."""
        lead = states.stoch.shape[:-1]
        B = self.inputs.weight
        return Linearization(self.A.expand(*lead, *self.A.shape), B.expand(*lead, *B.shape))
