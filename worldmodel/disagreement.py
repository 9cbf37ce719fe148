"""How little is known of where an action leads: several networks predict it, and where they disagree nothing like it
was seen (Plan2Explore, Sekar 2020, section 2).

They agree wherever there were data, on noise as well, of which all learn the mean.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.interface import Sizes, State

SPEED = 0.1  # with which the usual disagreement is followed; it falls a hundredfold in the first few hundred updates


class Ensemble(nn.Module):
    """``members`` perceptrons of one hidden layer that predict the next stochastic state, from different first weights.

    usual: the disagreement of late where there are data, which `surprise` is measured in.
    """

    def __init__(self, sizes: Sizes, members: int = 5, hidden: int = 128):
        super().__init__()
        inputs = sizes.deter + sizes.stoch + sizes.action
        self.first, self.first_bias = weights(members, inputs, hidden), nn.Parameter(torch.zeros(members, 1, hidden))
        self.last, self.last_bias = (
            weights(members, hidden, sizes.stoch),
            nn.Parameter(torch.zeros(members, 1, sizes.stoch)),
        )
        self.register_buffer("usual", torch.zeros(()))  # until there were data
        self.usual: Tensor

    def forward(self, states: State, actions: Tensor) -> Tensor:
        """What each expects after ``actions [..., action]`` in ``states [..., latent]``: ``[members, ..., stoch]``."""
        inputs = torch.cat([states.vector, actions], -1)
        rows = inputs.flatten(0, -2)
        hidden = functional.elu(rows @ self.first + self.first_bias)
        return (hidden @ self.last + self.last_bias).unflatten(1, inputs.shape[:-1])

    def loss(self, states: State, actions: Tensor, follows: Tensor) -> Tensor:
        """Mean squared error over windows ``[batch, time, ...]``, a number. Row t holds the action that led to it;
        follows ``[batch, time]``: whether it came from the row before. Follows the usual disagreement as well.
        """
        before, after = states.map(lambda x: x[:, :-1]), states.stoch[:, 1:]
        expected, there = self(before, actions[:, 1:]), follows[:, 1:]
        with torch.no_grad():
            found = spread(expected)[there].mean()
            self.usual.copy_(torch.where(self.usual == 0, found, self.usual.lerp(found, SPEED)))
        return (expected - after).square().mean(-1)[:, there].mean()

    def surprise(self, states: State, actions: Tensor) -> Tensor:
        """Disagreement on what ``actions [..., action]`` do in ``states``, ``[...]``; usual where there are data: 1."""
        return spread(self(states, actions)) / self.usual


def spread(expected: Tensor) -> Tensor:
    """Variance over members ``[members, ..., stoch]``, the mean of all dimensions: ``[...]``."""
    return expected.var(0, correction=0).mean(-1)


def weights(members: int, inputs: int, outputs: int) -> nn.Parameter:
    """As `torch.nn.Linear` begins, transposed."""
    return nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-(inputs**-0.5), inputs**-0.5))
