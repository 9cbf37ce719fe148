"""One update of latent soft actor-critic, from filtered states of the replay (SLAC: Lee 2020; Haarnoja 2018).

    target       y = r + carry · ( min_i Q'_i(z', a') - temperature · log π(a'|z') )                 a' ~ π(z')
    critics      minimise  ( Q_i(z, a) - y )²                                                                  i = 1, 2
    actor        maximise  min_i Q_i(z, ã) - temperature · log π(ã|z)                                          ã ~ π(z)
    temperature  moves until the entropy of π is the target

carry: the discount, and nothing after an end. r and carry may span several steps (`filtered_episodes`).

SLAC's critic sees the latent and its actor features of the history; here both see the filtered latent, which is what
planners are given. With dropout in all critics (Hiraoka 2022) they know fewer latents by heart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from planners.actor_critic.critic import follow
from planners.actor_critic.soft_agent import Dropout, SoftActorCritic
from planners.actor_critic.update import gradient, require_finite
from worldmodel.interface import State


class Transitions(NamedTuple):
    """Steps ``[batch, ...]``: states before and after, the first action between, what was earned on the way.

    carry: what a value of ``after`` weighs in one of ``before``.
    """

    before: State
    action: Tensor
    reward: Tensor
    carry: Tensor
    after: State


class SoftSettings(NamedTuple):
    """follow: how far the slow critics move per update. clip: largest gradient norm of each part.

    target_entropy: of the policy, in nats per action dimension. dropout: share of the critics' hidden units left out.
    """

    follow: float = 0.01
    clip: float = 100.0
    target_entropy: float = -1.0
    dropout: float = 0.0


class SoftOptimizers(NamedTuple):
    actor: torch.optim.Optimizer
    critic: torch.optim.Optimizer
    temperature: torch.optim.Optimizer


def transitions(
    states: State, action: Tensor, reward: Tensor, terminated: Tensor, usable: Tensor, discount: float
) -> Transitions:
    """Single steps of windows ``[batch, time, ...]`` of which row t holds a_{t-1}, r_t and terminated_t.

    usable ``[batch, time]``: rows that are there and not the first of an episode; others have nothing before them.
    """
    rows = usable[:, 1:]
    before, after = states.map(lambda x: x[:, :-1][rows]), states.map(lambda x: x[:, 1:][rows])
    carry = discount * (1 - terminated[:, 1:][rows].to(reward))
    return Transitions(before, action[:, 1:][rows], reward[:, 1:][rows], carry, after)


def soft_update(
    agent: SoftActorCritic,
    optimizers: SoftOptimizers,
    steps: Transitions,
    generator: torch.Generator,
    settings: SoftSettings,
) -> dict[str, Tensor]:
    """Improve critics, actor and temperature. Returns means for the log: losses and gradient norms, ``actor_entropy``
    in nats, ``critic_error`` (mean |Q - y|), ``critic_value`` and ``temperature``. Raises NonFiniteAgent before any
    parameter is touched.
    """
    noise = torch.randn(2, *steps.action.shape, generator=generator, device=generator.device).to(steps.action)
    temperature = agent.log_temperature.detach().exp()
    dropout = Dropout(settings.dropout, generator) if settings.dropout else None
    target = value_target(agent, steps, noise[0], temperature, dropout)
    values = agent.critic(steps.before, steps.action, dropout)
    critic_loss = sum((functional.mse_loss(value, target) for value in values), start=target.new_zeros(()))
    policy = agent.actor(steps.before)
    action, raw = policy.sample(noise[1])
    log_prob = policy.log_prob(raw)
    actor_loss = (temperature * log_prob - agent.critic.least(steps.before, action, dropout)).mean()
    surprise = log_prob.detach().mean() + settings.target_entropy * steps.action.shape[-1]
    norms = {
        "critic_gradient_norm": gradient(critic_loss, agent.critic, settings.clip),
        "actor_gradient_norm": gradient(actor_loss, agent.actor, settings.clip),
    }
    losses = {"actor_loss": actor_loss.detach(), "critic_loss": critic_loss.detach()}
    require_finite(losses | norms)
    agent.log_temperature.grad = -surprise.to(agent.log_temperature)  # of -log_temperature · surprise
    for optimizer in optimizers:
        optimizer.step()
    follow(agent.slow, agent.critic, settings.follow)
    error = torch.stack([(value.detach() - target).abs().mean() for value in values]).mean()
    numbers = {"actor_entropy": -log_prob.detach().mean(), "critic_error": error, "critic_value": target.mean()}
    return losses | norms | numbers | {"temperature": temperature}


@torch.no_grad()
def value_target(
    agent: SoftActorCritic, steps: Transitions, noise: Tensor, temperature: Tensor, dropout: Dropout | None = None
) -> Tensor:
    """y of every step, ``[batch]``."""
    policy = agent.actor(steps.after)
    action, raw = policy.sample(noise)
    soft = agent.slow.least(steps.after, action, dropout) - temperature * policy.log_prob(raw)
    return steps.reward + steps.carry * soft
