"""Locally linear dynamics (Watter 2015, Embed to Control).

z' = A(z) z + B(z) a + o(z) + H^½ noise,    A = I + v(z) r(z)ᵀ

v, r, B and o are outputs of one network; H is diagonal and global.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from worldmodel.distributions import CorrelatedNormal, Distribution, Normal, NormalLatent
from worldmodel.dynamics.process_noise import ProcessNoise
from worldmodel.interface import Linearization, State
from worldmodel.kernels.mlp import mlp as kernel
from worldmodel.networks import mlp, with_jacobian
from worldmodel.rollout import rollout_by_steps


class Matrices(NamedTuple):
    """``z' = A z + B a + o``: A ``[..., stoch, stoch]``, B ``[..., stoch, action]``, o ``[..., stoch]``."""

    A: Tensor
    B: Tensor
    o: Tensor


class LocallyLinear(nn.Module):
    """The dynamics of Embed to Control. ``context``, what prior and encoder see, is the mean of the next state."""

    deter = 0

    def __init__(self, latent: NormalLatent, action: int, hidden: int):
        super().__init__()
        self.stoch, self.action, self.context, self.latent = latent.stoch, action, latent.stoch, latent
        self.parts = [self.stoch, self.stoch, self.stoch * action, self.stoch]  # v, r, B, o
        self.net = nearly_zero(mlp(self.stoch, [hidden, hidden], sum(self.parts)))
        self.process_noise = ProcessNoise(latent)

    @property
    def first(self) -> Normal:
        return self.process_noise.first

    def initial(self, batch: int) -> State:
        return State(
            self.process_noise.raw_std.new_zeros(batch, 0), self.process_noise.raw_std.new_zeros(batch, self.stoch)
        )

    def advance(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]:
        return state.deter, self._mean(state.stoch, action)

    def _mean(self, z: Tensor, action: Tensor) -> Tensor:
        v, r, flat, o = kernel(tuple(self.net.parameters()), (z,)).split(self.parts, -1)
        pushed = (flat.unflatten(-1, (self.stoch, self.action)) @ action[..., None]).squeeze(-1)
        return z + v * (r * z).sum(-1, keepdim=True) + pushed + o

    def prior(self, context: Tensor) -> Normal:
        return self.process_noise.around(context)

    def complete(self, deter: Tensor, context: Tensor, latent: Distribution, noise: Tensor | None = None) -> State:
        return State(deter, latent.sample(noise))

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        deter, context = self.advance(state, action)
        return self.complete(deter, context, self.prior(context), noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        return rollout_by_steps(self.step, state, actions, noise)

    def matrices(self, z: Tensor) -> Matrices:
        """The local model at ``z [..., stoch]``."""
        v, r, flat, o = kernel(tuple(self.net.parameters()), (z,)).split(self.parts, -1)
        A = torch.eye(self.stoch, dtype=z.dtype, device=z.device) + v[..., :, None] * r[..., None, :]
        return Matrices(A, flat.unflatten(-1, (self.stoch, self.action)), o)

    def propagate(self, belief: Normal, action: Tensor, at: Tensor | None = None) -> CorrelatedNormal:
        """The next state of a normal belief, ``N(A m + B a + o, A S Aᵀ + H)`` (Watter 2015).

        at: ``[..., stoch]``, where the matrices are taken, in the paper a sample of the belief; None for its mean.
        """
        local = self.matrices(belief.mean if at is None else at)
        mean = (local.A @ belief.mean[..., None] + local.B @ action[..., None]).squeeze(-1) + local.o
        spread = local.A * belief.std[..., None, :]
        return CorrelatedNormal(mean, spread @ spread.mT + torch.diag(self.process_noise.std.square()))

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        """Jacobians of the mean step, in closed form: A(z) and what the matrices' own change with z adds to it."""
        z = states.stoch
        raw, slope = with_jacobian(tuple(self.net.parameters()), z)
        v, r, flat, _ = raw.split(self.parts, -1)
        slope_v, slope_r, slope_flat, slope_o = slope.split(self.parts, -2)
        along = (r * z).sum(-1)[..., None, None]
        by_matrices = slope_v * along + v[..., None] * (z[..., None, :] @ slope_r) + slope_o
        by_push = (slope_flat.unflatten(-2, (self.stoch, self.action)) * actions[..., None, :, None]).sum(-2)
        A = self.matrices(z).A + by_matrices + by_push
        return Linearization(A, flat.unflatten(-1, (self.stoch, self.action)))


def nearly_zero(net: nn.Sequential) -> nn.Sequential:
    """Shrink the last layer: A begins near the identity, so that the first roll-outs stay where they start."""
    with torch.no_grad():
        for parameter in net[-1].parameters():
            parameter.mul_(0.1)
    return net
