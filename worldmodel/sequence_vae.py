"""The sequence VAE: one class, four choices (prior, decoder, encoder, heads), trained by the evidence lower bound.

    log p(o_1:T, r_1:T | a) ≥ Σ_t  E_q[ log p(o_t|z_t) + log p(r_t|z_t) + log p(c_t|z_t) ]
                                   - KL( q(z_t|·) ‖ p(z_t|z_{t-1}, a_{t-1}) )

(Chung 2015; Krishnan 2017; with actions and rewards Hafner 2019, eq. 3.) The prior is the latent dynamics that planners
roll forward; the decoder treats every step on its own; the encoder filters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.distributions import Distribution, Family, kl, stack
from worldmodel.heads import Heads
from worldmodel.images import to_model
from worldmodel.interface import Belief, Linearization, Sizes, State

LOG_2PI = math.log(2 * math.pi)


class Dynamics(Protocol):
    """The prior p(z' | z, a), in two halves so that the encoder can see what the deterministic half knows.

    latent: the family of ``prior`` and posterior. ``complete`` makes the next state of ``advance``'s answers and one of
    these two, with noise ``[..., stoch]`` or None; `step` is ``complete`` with the prior.
    """

    latent: Family
    deter: int
    stoch: int
    action: int
    context: int

    def initial(self, batch: int) -> State: ...
    def advance(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]: ...
    def prior(self, context: Tensor) -> Distribution: ...
    def complete(self, deter: Tensor, context: Tensor, latent: Distribution, noise: Tensor | None = None) -> State: ...
    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State: ...
    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State: ...
    def linearize(self, states: State, actions: Tensor) -> Linearization: ...


class Encoder(Protocol):
    """The filtering posterior. ``features`` runs on all frames at once, ``remember`` and ``posterior`` step by step.

    ``statistics`` are the raw outputs, ``[..., statistics]``, that the dynamics' family makes the posterior of.
    """

    memory: int

    def features(self, image: Tensor) -> Tensor: ...
    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> Tensor: ...
    def statistics(self, context: Tensor, features: Tensor, memory: Tensor) -> Tensor: ...


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


class LossScales(NamedTuple):
    """Standard deviations of the likelihoods and the weights of the KL.

    free_nats: KL below this costs nothing (Kingma 2016).
    balance: share of the KL's gradient that trains the prior towards the posterior rather than the reverse (DreamerV2,
    Hafner 2021, eq. 2).
    open_loop: weight of the open-loop likelihoods, see `SequenceVAE.losses`; 0 leaves them out.
    open_loop_steps: how far they look ahead. open_loop_images: every how many rows an image is decoded for them (the
    reward is cheap and predicted at every row).
    """

    image_std: float = 0.1
    reward_std: float = 0.1
    free_nats: float = 1.0
    balance: float = 0.8
    open_loop: float = 1.0
    open_loop_steps: int = 16
    open_loop_images: int = 4


class SequenceVAE(nn.Module):
    """The choice of encoder, dynamics, decoder and heads; implements `worldmodel.interface.WorldModel`."""

    def __init__(
        self,
        encoder: Encoder,
        dynamics: Dynamics,
        decoder: Callable[[Tensor], Tensor],
        heads: Heads,
        observation: tuple[int, int, int],
        scales: LossScales = LossScales(),  # noqa: B008  an immutable value
    ):
        super().__init__()
        self.encoder, self.dynamics, self.decoder, self.heads = encoder, dynamics, decoder, heads
        self.scales = scales
        self._sizes = Sizes(dynamics.deter, dynamics.stoch, dynamics.action, encoder.memory, observation)

    @property
    def sizes(self) -> Sizes:
        return self._sizes

    def initial(self, batch: int) -> Belief:
        state = self.dynamics.initial(batch)
        return Belief(state, state.deter.new_zeros(batch, self.sizes.memory))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        require_shape(observation, self.sizes.observation)
        features = self.encoder.features(to_model(observation, belief.state.stoch.dtype))
        return self._infer(belief, action, features, noise)[0]

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        return self.dynamics.step(state, action, noise)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        return self.dynamics.rollout(state, actions, noise)

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        return self.dynamics.linearize(states, actions)

    def decode(self, state: State) -> Tensor:
        return self.decoder(state.vector).clamp(0, 1)

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
        rows, time = batch.action.shape[:2]
        features = self.encoder.features(images)
        starts = batch.is_first.any(0).tolist()
        belief = self.initial(rows)
        beliefs, contexts, posteriors = [], [], []
        for t in range(time):
            action = batch.action[:, t]
            if t == 0:
                action = torch.zeros_like(action)
            elif starts[t]:
                belief, action = forget(belief, action, batch.is_first[:, t])
            belief, context, posterior = self._infer(
                belief, action, features[:, t], None if noise is None else noise[:, t]
            )
            beliefs.append(belief.state)
            contexts.append(context)
            posteriors.append(posterior)
        states = State(torch.stack([s.deter for s in beliefs], 1), torch.stack([s.stoch for s in beliefs], 1))
        return Posterior(states, stack(posteriors, 1), self.dynamics.prior(torch.stack(contexts, 1)))

    def losses(self, batch: Sequences, noise: Tensor | None = None, offset: int = 0) -> dict[str, Tensor]:
        """The terms of the negative ELBO in nats, each ``[batch, time]``, zero where the row is not valid.

        ``image``, ``reward``, ``continuation``: negative log-likelihoods under the posterior.
        ``kl``: the true KL, for the log. ``kl_loss``: with balance and free nats, which is what is trained.
        ``open_loop_image``, ``open_loop_reward``: the same likelihoods when the *mean of the prior* is rolled forward,
        as planners do, from every ``open_loop_steps``-th filtered state, the first at row ``offset``; so each later row
        is predicted once (observation overshooting: Amos 2018; Hafner 2019, section 4). The one-step KL alone teaches
        velocities slowly.

        The row of a reset has no reward term, since nothing is paid there. A time limit does not teach the
        continuation head that the episode ends: it sees `terminated` alone.
        """
        require_shape(batch.observation, self.sizes.observation)
        images = to_model(batch.observation, batch.action.dtype)
        posterior = self._observe(batch, images, noise)
        latent = posterior.states.vector
        terms = {
            "image": self._image_nll(latent, images),
            "reward": self._reward_nll(latent, batch.reward) * ~batch.is_first,
            "continuation": functional.binary_cross_entropy_with_logits(
                self.heads.continuation(latent), 1 - batch.terminated.to(latent.dtype), reduction="none"
            ),
            "kl": kl(posterior.posterior.detach(), posterior.prior.detach()),
            "kl_loss": balanced_kl(posterior.posterior, posterior.prior, self.scales),
        }
        if self.scales.open_loop:
            require_offset(offset, batch.action.shape[1])
            terms |= self._open_loop(batch, images, posterior.states, offset)
        return {name: term * batch.valid for name, term in terms.items()}

    def _image_nll(self, latent: Tensor, images: Tensor) -> Tensor:
        return normal_nll(pixels_last(self.decoder(latent)), pixels_last(images), self.scales.image_std)

    def _reward_nll(self, latent: Tensor, reward: Tensor) -> Tensor:
        return normal_nll(self.heads.reward(latent)[..., None], reward[..., None], self.scales.reward_std)

    def _open_loop(self, batch: Sequences, images: Tensor, states: State, offset: int) -> dict[str, Tensor]:
        """Likelihoods ``[batch, time]`` of the rows after ``offset``, zero before; of every n-th image, n times."""
        time, stride = batch.action.shape[1], self.scales.open_loop_images
        latent = open_loop(self.dynamics, states, batch.action, offset, self.scales.open_loop_steps).vector
        phase = offset // stride % stride  # so that random offsets show every row
        rows, shown = slice(offset + 1, time), slice(offset + 1 + phase, time, stride)
        reward, image = torch.zeros_like(batch.reward), torch.zeros_like(batch.reward)
        reward[:, rows] = self._reward_nll(latent, batch.reward[:, rows])
        image[:, shown] = self._image_nll(latent[:, phase::stride], images[:, shown]) * stride
        weight, usable = self.scales.open_loop, one_episode(batch.is_first, offset, self.scales.open_loop_steps)
        return {"open_loop_image": weight * image * usable, "open_loop_reward": weight * reward * usable}

    def _infer(
        self, belief: Belief, action: Tensor, features: Tensor, noise: Tensor | None
    ) -> tuple[Belief, Tensor, Distribution]:
        deter, context = self.dynamics.advance(belief.state, action)
        memory = self.encoder.remember(belief.memory, action, features)
        posterior = self.dynamics.latent(self.encoder.statistics(context, features, memory))
        return Belief(self.dynamics.complete(deter, context, posterior, noise), memory), context, posterior


def forget(belief: Belief, action: Tensor, is_first: Tensor) -> tuple[Belief, Tensor]:
    """Start afresh, belief and action, in the rows where an episode begins; is_first ``[batch]``."""
    keep = (~is_first).to(action.dtype)[:, None]
    keep_part: Callable[[Tensor], Tensor] = lambda part: part * keep  # noqa: E731
    return Belief(belief.state.map(keep_part), belief.memory * keep), action * keep


def open_loop(dynamics: Dynamics, states: State, actions: Tensor, offset: int, steps: int) -> State:
    """Predict rows ``offset + 1 ...`` of windows: prior means, restarted from the filtered state every ``steps`` rows.

    states ``[batch, time, latent]`` and actions ``[batch, time, action]`` (row t holds a_{t-1}) give ``[batch,
    time - offset - 1, latent]``. All stretches are rolled forward side by side.
    """
    time = actions.shape[1]
    if offset == time - 1:
        return states.map(lambda x: x[:, :0])
    starts = states.map(lambda x: x[:, offset : time - 1 : steps])
    stretches = starts.stoch.shape[1]
    missing = stretches * steps - (time - offset - 1)
    padded = functional.pad(actions[:, offset + 1 :], (0, 0, 0, missing))
    predicted = dynamics.rollout(starts, padded.unflatten(1, (stretches, steps)))
    return predicted.map(lambda x: x.flatten(1, 2)[:, : time - offset - 1])


def one_episode(is_first: Tensor, offset: int, steps: int) -> Tensor:
    """Which rows ``[batch, time]`` are predicted from a state of their own episode: no stretch reaches over a start."""
    episode = is_first.cumsum(1)
    rows = torch.arange(is_first.shape[1], device=is_first.device)
    start = offset + ((rows - offset - 1).clamp(min=0) // steps) * steps
    return (episode == episode[:, start.clamp(max=is_first.shape[1] - 1)]) & (rows > offset)


def pixels_last(image: Tensor) -> Tensor:
    """``[..., channel, height, width] -> [..., pixels]``, in the order in which they lie in memory."""
    return image.movedim(-3, -1).flatten(-3)


def normal_nll(mean: Tensor, value: Tensor, std: float) -> Tensor:
    """-log N(value; mean, std²) in nats, summed over the last axis: ``[..., width] -> [...]``."""
    constant = value.shape[-1] * (math.log(std) + 0.5 * LOG_2PI)
    return (mean - value).square().sum(-1) * (0.5 / std**2) + constant


def balanced_kl(posterior: Distribution, prior: Distribution, scales: LossScales) -> Tensor:
    """KL with balance and free nats, ``[...]`` (DreamerV2 eq. 2; free nats on each half as in DreamerV3 eq. 5)."""
    train_prior = kl(posterior.detach(), prior).clamp(min=scales.free_nats)
    train_posterior = kl(posterior, prior.detach()).clamp(min=scales.free_nats)
    return scales.balance * train_prior + (1 - scales.balance) * train_posterior


def require_shape(observation: Tensor, expected: tuple[int, int, int]) -> None:
    if tuple(observation.shape[-3:]) != expected:
        raise ValueError(
            f"Images must have the size the model was built for, (height, width, channel) = {expected}; got "
            f"{tuple(observation.shape[-3:])}. Make the environment with size={expected[0]}, or train a model for the "
            "other size."
        )


def require_offset(offset: int, time: int) -> None:
    if not 0 <= offset < time:
        raise ValueError(
            f"offset must be a row of the window, 0 to {time - 1}; got {offset}. "
            "Draw it below the windows' length, or make the windows longer."
        )
