"""What a world model is. Read this first: everything else hangs on these few types.

Notation: ``[...]`` is any number of leading axes (batch, candidates). Row ``t`` of a sequence holds the observation
``o_t``, the action ``a_{t-1}`` that led to it, and the reward and termination that came with it; so a reward is paid
on arrival, ``r_t = R(z_t)``.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor


class State(NamedTuple):
    """The Markov state that planners roll forward; an immutable value.

    deter: ``[..., deter]``, the part that follows from the past without noise; width 0 where there is none.
    stoch: ``[..., stoch]``, the part that is sampled.
    """

    deter: Tensor
    stoch: Tensor

    @property
    def vector(self) -> Tensor:
        """The whole latent, ``[..., latent]``, ``latent = deter + stoch``; one part itself where the other is empty."""
        if not self.deter.shape[-1]:
            return self.stoch
        return torch.cat([self.deter, self.stoch], dim=-1) if self.stoch.shape[-1] else self.deter

    def map(self, function) -> State:  # type: ignore[no-untyped-def]
        """Apply one tensor function to both parts, e.g. ``state.map(lambda x: x[:, None])``."""
        return State(function(self.deter), function(self.stoch))


class Belief(NamedTuple):
    """What the filter carries from one observation to the next.

    state: the mean or a sample of the filtered posterior.
    memory: ``[..., memory]``, what the encoder remembers beyond the state; width 0 where the state says it all.
    """

    state: State
    memory: Tensor


class Sizes(NamedTuple):
    """Widths of everything that crosses the interface. ``observation`` is ``(height, width, channel)``.

    discrete: actions are one-hot, one of ``action`` choices, rather than anything in [-1, 1].
    """

    deter: int
    stoch: int
    action: int
    memory: int
    observation: tuple[int, int, int]
    discrete: bool = False

    @property
    def latent(self) -> int:
        return self.deter + self.stoch


class Linearization(NamedTuple):
    """First-order model of the mean dynamics around given states and actions.

    ``z' ≈ next + A (z - state) + B (a - action)`` with ``z = state.vector``.

    A: ``[..., horizon, latent, latent]``, B: ``[..., horizon, latent, action]``.
    """

    A: Tensor
    B: Tensor


@runtime_checkable
class WorldModel(Protocol):
    """A learned (or true) model of a partially observed, controlled system. Pure: it remembers nothing between calls.

    ``noise`` is standard normal of the shape of ``state.stoch``; ``None`` takes the mean, of categorical
    variables the mode. Device and dtype follow the inputs.
    """

    @property
    def sizes(self) -> Sizes: ...

    def initial(self, batch: int) -> Belief:
        """The belief before anything was seen, ``[batch, ...]``."""
        ...

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        """One posterior step: ``q(z_t | z_{t-1}, a_{t-1}, o_t)``.

        action ``[batch, action]`` led to observation ``[batch, height, width, channel]`` uint8. The first observation
        of an episode is filtered with ``initial`` and an action of zeros.
        """
        ...

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        """One prior step ``p(z' | z, a)``: state ``[..., latent]``, action ``[..., action]``."""
        ...

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        """Prior steps along ``actions [..., horizon, action]`` from ``state [..., latent]``.

        Returns the states *arrived at*, ``[..., horizon, latent]``; equal to repeated `step`. noise, if given:
        ``[..., horizon, stoch]``.
        """
        ...

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        """Jacobians of the mean step at states ``[..., horizon, latent]`` and actions ``[..., horizon, action]``."""
        ...

    def decode(self, state: State) -> Tensor:
        """Mean image, ``[..., channel, height, width]`` in [0, 1]."""
        ...

    def reward(self, state: State) -> Tensor:
        """Expected reward on arrival in ``state``, ``[...]``."""
        ...

    def continues(self, state: State) -> Tensor:
        """Probability that the episode goes on after arriving in ``state``, ``[...]`` in [0, 1]."""
        ...


@runtime_checkable
class KnowsState(Protocol):
    """A model that needs no filter because it is told the true state, ``[batch, state]``: the simulator."""

    def believe(self, true_state: np.ndarray) -> Belief: ...
