"""The sequence VAE: one class, four choices (prior, decoder, encoder, objective), trained by a bound on the evidence.

    log p(o_1:T, r_1:T | a) ≥ Σ_t  E_q[ log p(o_t|z_t) + log p(r_t|z_t) + log p(c_t|z_t) ]
                                   - KL( q(z_t|·) ‖ p(z_t|z_{t-1}, a_{t-1}) )

(Chung 2015; Krishnan 2017; with actions and rewards Hafner 2019, eq. 3.) The prior is the latent dynamics that planners
roll forward; the decoder treats every step on its own; the encoder filters. Objectives are in `worldmodel.objectives`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import Distribution, Family, stack, where
from worldmodel.heads import Heads
from worldmodel.images import to_model
from worldmodel.interface import Belief, Linearization, Sizes, State
from worldmodel.likelihoods import Likelihood, normal_nll


class Dynamics(Protocol):
    """The prior p(z' | z, a), in two halves so that the encoder can see what the deterministic half knows.

    latent: the family of ``prior`` and posterior. ``complete`` makes the next state of ``advance``'s answers and one of
    these two, with noise ``[..., stoch]`` or None; `step` is ``complete`` with the prior. ``first`` is p(z_1), without
    leading axes; None where it is one step from `initial`.
    """

    deter: int
    stoch: int
    action: int
    context: int

    @property
    def latent(self) -> Family: ...
    @property
    def first(self) -> Distribution | None: ...
    def initial(self, batch: int) -> State: ...
    def advance(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]: ...
    def prior(self, context: Tensor) -> Distribution: ...
    def complete(self, deter: Tensor, context: Tensor, latent: Distribution, noise: Tensor | None = None) -> State: ...
    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State: ...
    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State: ...
    def linearize(self, states: State, actions: Tensor) -> Linearization: ...


class Encoder(Protocol):
    """The filtering posterior.

    ``features`` of all frames at once. ``remember`` takes one row, ``[batch, ...]``, into the memory, of which zeros
    mean that nothing was seen, and answers with the new memory and with what is ``seen`` now. ``watch`` does that for
    whole windows ``[batch, time, ...]``, forgetting at ``is_first``, and gives ``seen`` alone. ``statistics`` are the
    raw outputs, ``[..., statistics]``, that the dynamics' family makes the posterior of. ``alone``: they are the same
    whatever the context is.
    """

    memory: int
    alone: bool

    def features(self, image: Tensor) -> Tensor: ...
    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]: ...
    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor: ...
    def statistics(self, context: Tensor, seen: Tensor) -> Tensor: ...


class Sequences(Protocol):
    """Windows of experience ``[batch, time, ...]``; row t holds o_t, a_{t-1}, r_t, terminated_t, is_first_t."""

    @property
    def observation(self) -> Tensor: ...
    @property
    def action(self) -> Tensor: ...
    @property
    def reward(self) -> Tensor: ...
    @property
    def terminated(self) -> Tensor: ...
    @property
    def is_first(self) -> Tensor: ...
    @property
    def valid(self) -> Tensor: ...


class Posterior(NamedTuple):
    """What `SequenceVAE.observe` infers, each ``[batch, time, ...]``."""

    states: State
    posterior: Distribution
    prior: Distribution


class Window(NamedTuple):
    """What an objective is given beside the inference: images ``[batch, time, channel, height, width]`` in [0, 1].

    noise: ``[batch, time, stoch]``, that of the posterior's samples, or None. offset: the first row from which an
    objective predicts open loop, where it does.
    """

    batch: Sequences
    images: Tensor
    noise: Tensor | None
    offset: int


class Objective(Protocol):
    """What is minimised: terms ``[batch, time]`` in nats. Those in `worldmodel.fit.LOGGED_ONLY` are for the log."""

    def __call__(self, model: SequenceVAE, window: Window, inferred: Posterior) -> dict[str, Tensor]: ...


class SequenceVAE(nn.Module):
    """The choice of encoder, dynamics, decoder and heads; implements `worldmodel.interface.WorldModel`."""

    def __init__(
        self,
        encoder: Encoder,
        dynamics: Dynamics,
        decoder: Callable[[Tensor], Tensor],
        heads: Heads,
        observation: tuple[int, int, int],
        objective: Objective,
        likelihood: Likelihood,
        reward_std: float,
        discrete: bool = False,
    ):
        super().__init__()
        self.encoder, self.dynamics, self.decoder, self.heads = encoder, dynamics, decoder, heads
        self.objective, self.likelihood, self.reward_std = objective, likelihood, reward_std
        self._sizes = Sizes(dynamics.deter, dynamics.stoch, dynamics.action, encoder.memory, observation, discrete)

    @property
    def sizes(self) -> Sizes:
        return self._sizes

    def initial(self, batch: int) -> Belief:
        state = self.dynamics.initial(batch)
        return Belief(state, state.deter.new_zeros(batch, self.sizes.memory))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        require_shape(observation, self.sizes.observation)
        features = self.encoder.features(to_model(observation, belief.state.stoch.dtype))
        memory, seen = self.encoder.remember(belief.memory, action, features)
        return Belief(self._infer(belief.state, action, seen, noise)[0], memory)

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        return self.dynamics.step(state, action, noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        return self.dynamics.rollout(state, actions, noise)

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        return self.dynamics.linearize(states, actions)

    def decode(self, state: State) -> Tensor:
        return self.likelihood.mean(self.decoder(state.vector))

    def reward(self, state: State) -> Tensor:
        return self.heads.reward(*state)

    def continues(self, state: State) -> Tensor:
        return torch.sigmoid(self.heads.continuation(*state))

    def observe(self, batch: Sequences, noise: Tensor | None = None) -> Posterior:
        """Filter whole windows: images ``[batch, time, height, width, channel]``, noise ``[batch, time, stoch]``.

        The belief starts afresh at row 0 and wherever ``is_first`` is set: nothing crosses an episode's start.
        """
        require_shape(batch.observation, self.sizes.observation)
        return self._observe(batch, to_model(batch.observation, batch.action.dtype), noise)

    def _observe(self, batch: Sequences, images: Tensor, noise: Tensor | None) -> Posterior:
        actions = actions_within(batch.action, batch.is_first)
        seen = self.encoder.watch(self.encoder.features(images), actions, batch.is_first)
        whole = self.dynamics.latent.stoch == self.dynamics.stoch and self.dynamics.deter == 0
        if self.encoder.alone and whole:
            states, contexts, posteriors = self._infer_at_once(actions, seen, noise)
        else:
            states, contexts, posteriors = self._infer_in_turn(batch.is_first, actions, seen, noise)
        return Posterior(states, posteriors, self._prior(contexts, batch.is_first))

    def _infer_at_once(self, actions: Tensor, seen: Tensor, noise: Tensor | None) -> tuple[State, Tensor, Distribution]:
        """All rows side by side: no posterior needs the state before it, and all of the state is inferred."""
        posterior = self.dynamics.latent(self.encoder.statistics(seen[..., :0], seen))  # no context
        stoch = posterior.sample(noise)
        before = functional.pad(stoch, (0, 0, 1, 0))[:, :-1]
        _, context = self.dynamics.advance(State(before[..., :0], before), actions)
        return State(stoch[..., :0], stoch), context, posterior

    def _infer_in_turn(
        self, is_first: Tensor, actions: Tensor, seen: Tensor, noise: Tensor | None
    ) -> tuple[State, Tensor, Distribution]:
        starts = is_first.any(0).tolist()
        state = self.dynamics.initial(len(actions))
        states, contexts, posteriors = [], [], []
        for t in range(actions.shape[1]):
            if t > 0 and starts[t]:
                state = forget(state, is_first[:, t])
            state, context, posterior = self._infer(
                state, actions[:, t], seen[:, t], None if noise is None else noise[:, t]
            )
            states.append(state)
            contexts.append(context)
            posteriors.append(posterior)
        inferred = State(torch.stack([s.deter for s in states], 1), torch.stack([s.stoch for s in states], 1))
        return inferred, torch.stack(contexts, 1), stack(posteriors, 1)

    def _prior(self, contexts: Tensor, is_first: Tensor) -> Distribution:
        """p(z_t | z_{t-1}, a_{t-1}), ``[batch, time, ...]``; p(z_1) in row 0 and where an episode begins."""
        prior, first = self.dynamics.prior(contexts), self.dynamics.first
        if first is None:
            return prior
        begins = is_first.clone()
        begins[:, 0] = True
        return where(begins, first, prior)

    def _infer(
        self, state: State, action: Tensor, seen: Tensor, noise: Tensor | None
    ) -> tuple[State, Tensor, Distribution]:
        deter, context = self.dynamics.advance(state, action)
        posterior = self.dynamics.latent(self.encoder.statistics(context, seen))
        return self.dynamics.complete(deter, context, posterior, noise), context, posterior

    def losses(self, batch: Sequences, noise: Tensor | None = None, offset: int = 0) -> dict[str, Tensor]:
        """The terms of the objective in nats, each ``[batch, time]``, zero where the row is not valid."""
        return self.losses_and_states(batch, noise, offset)[0]

    def losses_and_states(
        self, batch: Sequences, noise: Tensor | None = None, offset: int = 0, seen: Tensor | None = None
    ) -> tuple[dict[str, Tensor], State]:
        """`losses`, and the filtered states ``[batch, time, latent]`` that they were computed from.

        seen: uint8 like ``batch.observation``; what the encoder is shown in its place, while that is still what must be
        explained. For `worldmodel.shifts`.
        """
        require_shape(batch.observation, self.sizes.observation)
        images = to_model(batch.observation, batch.action.dtype)
        shown = images if seen is None else to_model(seen, batch.action.dtype)
        inferred = self._observe(batch, shown, noise)
        terms = self.objective(self, Window(batch, images, noise, offset), inferred)
        return {name: term * batch.valid for name, term in terms.items()}, inferred.states

    def likelihoods(self, window: Window, latent: Tensor) -> dict[str, Tensor]:
        """Negative log-likelihoods of everything that ``latent [batch, time, latent]`` should tell, ``[batch, time]``.

        The row of a reset has no reward term, since nothing is paid there. A time limit does not teach the
        continuation head that the episode ends: it sees `terminated` alone.
        """
        goes_on = 1 - window.batch.terminated.to(latent.dtype)
        return {
            "image": self.image_nll(latent, window.images),
            "reward": self.reward_nll(latent, window.batch.reward) * ~window.batch.is_first,
            "continuation": functional.binary_cross_entropy_with_logits(
                self.heads.continuation(latent), goes_on, reduction="none"
            ),
        }

    def image_nll(self, latent: Tensor, images: Tensor) -> Tensor:
        return self.likelihood.nll(self.decoder(latent), images)

    def reward_nll(self, latent: Tensor, reward: Tensor) -> Tensor:
        return normal_nll(self.heads.reward(latent)[..., None], reward[..., None], self.reward_std)


def actions_within(action: Tensor, is_first: Tensor) -> Tensor:
    """Actions ``[batch, time, action]``, zeros in row 0 and where an episode begins: what led there is not known."""
    inside = ~is_first
    inside[:, 0] = False
    return action * inside[..., None]


def forget(state: State, is_first: Tensor) -> State:
    """Start afresh in the rows where an episode begins; is_first ``[batch]``."""
    keep = (~is_first).to(state.stoch.dtype)[:, None]
    return state.map(lambda part: part * keep)


def require_shape(observation: Tensor, expected: tuple[int, int, int]) -> None:
    if tuple(observation.shape[-3:]) != expected:
        raise ValueError(
            f"Images must have the size the model was built for, (height, width, channel) = {expected}; got "
            f"{tuple(observation.shape[-3:])}. Make the environment with size={expected[0]}, or train a model for the "
            "other size."
        )
