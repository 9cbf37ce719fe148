"""The actor: from a latent state to a distribution of actions.

Continuous actions: a normal squashed by tanh into [-1, 1]. Discrete ones: a categorical over one-hot actions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from planners.categorical import one_hot
from worldmodel.distributions import Normal
from worldmodel.interface import State
from worldmodel.networks import normed_mlp

MEAN_LIMIT = 3.0  # of the normal's mean: tanh(3) is 0.995, and beyond it no gradient comes back
MAX_STD = 1.0  # of the normal: squashed, that is about uniform
START = 2.0  # raw value that the std starts at: sigmoid(2) of the way from the least to the most


class Policy(Protocol):
    """A distribution of actions ``[..., action]``. Its noise is standard normal, ``[..., action]``."""

    @property
    def mode(self) -> Tensor:
        """What is done when nothing is to be explored, ``[..., action]``."""
        ...

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """An action and the raw value that it came from, ``[..., action]`` each."""
        ...

    def log_prob(self, raw: Tensor) -> Tensor:
        """Log-density of the action that came from ``raw``, ``[...]``."""
        ...

    def entropy(self, noise: Tensor) -> Tensor:
        """In nats, ``[...]``, differentiable; where it has no closed form, from the one sample of ``noise``."""
        ...


class TanhNormal(NamedTuple):
    """``action = tanh(raw)`` with ``raw`` from ``normal``, ``[..., action]`` (Haarnoja 2018, appendix C)."""

    normal: Normal

    @property
    def mode(self) -> Tensor:
        """The action of the normal's mean."""
        return torch.tanh(self.normal.mean)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiable in mean and std."""
        raw = self.normal.sample(noise)
        return torch.tanh(raw), raw

    def log_prob(self, raw: Tensor) -> Tensor:
        """Log-density of ``tanh(raw)``; exact where tanh rounds to one."""
        slope = 2 * (math.log(2) - raw - functional.softplus(-2 * raw))  # log of d tanh(raw) / d raw
        return self.normal.log_prob(raw) - slope.sum(-1)

    def entropy(self, noise: Tensor) -> Tensor:
        return -self.log_prob(self.normal.sample(noise))


class Choice(NamedTuple):
    """One-hot actions with probabilities ``exp(logits)``, normalised. No gradient flows through a sample."""

    logits: Tensor

    @property
    def mode(self) -> Tensor:
        return one_hot(self.logits)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The most likely action after Gumbel noise, made of the normal ``noise`` (Maddison 2014)."""
        uniform = torch.special.ndtr(noise).clamp(1e-6, 1 - 1e-6)
        action = one_hot(self.logits - (-uniform.log()).log())
        return action, action

    def log_prob(self, raw: Tensor) -> Tensor:
        return (raw * self.logits).sum(-1)

    def entropy(self, noise: Tensor) -> Tensor:
        return -(self.logits.exp() * self.logits).sum(-1)


class Actor(nn.Module):
    """Perceptron from ``State [..., latent]`` to a `Policy`; untrained, it has a mean of zero or all choices alike.

    hidden: widths of the layers. min_std: of the normal. discrete: there are ``action`` choices.
    """

    def __init__(self, latent: int, action: int, hidden: Sequence[int], min_std: float = 0.1, discrete: bool = False):
        super().__init__()
        if not 0 < min_std < MAX_STD:
            raise ValueError(f"An actor's min_std must be in (0, {MAX_STD}); got {min_std}. The usual one is 0.1.")
        self.action, self.min_std, self.discrete = action, min_std, discrete
        self.net = normed_mlp(latent, hidden, action if discrete else 2 * action)
        zero_last(self.net)

    def forward(self, state: State) -> Policy:
        if self.discrete:
            return Choice(torch.log_softmax(self.net(state.vector), -1))
        mean, raw = self.net(state.vector).chunk(2, -1)
        std = self.min_std + (MAX_STD - self.min_std) * torch.sigmoid(raw + START)
        return TanhNormal(Normal(MEAN_LIMIT * torch.tanh(mean / MEAN_LIMIT), std))


def zero_last(net: nn.Sequential) -> None:
    """Zero weights in the last layer: what is untrained says the same of every state (Hafner 2023)."""
    for parameter in net[-1].parameters():
        nn.init.zeros_(parameter)
