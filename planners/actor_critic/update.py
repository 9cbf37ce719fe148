"""One update of actor and critic in imagination. The world model is an argument: no gradient is left in it.

    actor    maximise  R_0 / scale  +  Σ_t w_t · entropy · H[π(·|z_t)]
    critic   minimise  Σ_t w_t · cross-entropy( v(z_t), R_t )

R_t: λ-returns with the slow critic's values; w_t: the probability that step t is reached, discounted. The gradient of
R_0 goes through the dynamics ("pathwise"), or, where none can flow since latents or actions are discrete, by the score
function: ``Σ_t w_t · (R_t - v(z_t)) · log π(a_t|z_t)`` ("score"; Williams 1992; Hafner 2021, eq. 6). Discrete actions
always take the latter.

Dreamer's pathwise loss (Hafner 2020, eq. 7) adds up all R_t, and the gradient of each also flows into the actions
before t that led to z_t. That counts late rewards several times: on a linear-quadratic problem the gain came out 40 %
too high.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from planners.actor_critic.agent import ActorCritic
from planners.actor_critic.critic import follow
from planners.actor_critic.imagination import Imagined, imagine
from planners.actor_critic.returns import lambda_returns, reached
from planners.interface import Objective
from worldmodel.interface import State, WorldModel


class NonFiniteAgent(RuntimeError):
    """A loss or a gradient of actor or critic became NaN or infinite; no parameter was changed by that update."""


class Settings(NamedTuple):
    """horizon: steps imagined. discount: per step. mixing: λ. entropy: weight of the bonus, in scaled returns per nat.

    sample_latent: whether the dynamics are sampled rather than taken at their mean. follow: how far the slow critic
    moves per update. clip: largest gradient norm, of actor and critic each.
    """

    horizon: int = 15
    discount: float = 0.98
    mixing: float = 0.95
    entropy: float = 3e-4
    gradient: Literal["pathwise", "score"] = "pathwise"
    sample_latent: bool = False
    follow: float = 0.02
    clip: float = 100.0


class Optimizers(NamedTuple):
    actor: torch.optim.Optimizer
    critic: torch.optim.Optimizer


class Judged(NamedTuple):
    """What was imagined and what it is worth: discount, returns, weight ``[batch, horizon]``."""

    imagined: Imagined
    reward: Tensor
    returns: Tensor
    weight: Tensor


def update(
    agent: ActorCritic,
    optimizers: Optimizers,
    model: WorldModel,
    objective: Objective,
    start: State,
    generator: torch.Generator,
    settings: Settings,
) -> dict[str, Tensor]:
    """Imagine from ``start [batch, latent]`` and improve actor and critic. Nothing in ``model`` changes.

    Returns means for the log: losses and gradient norms, ``actor_entropy`` in nats, ``critic_error`` (mean |R - v| in
    units of return), ``imagined_return`` (the λ-return of the starts) and ``imagined_reward`` per step. Raises
    NonFiniteAgent before any parameter is touched.
    """
    pathwise = settings.gradient == "pathwise" and not model.sizes.discrete
    with torch.set_grad_enabled(pathwise):
        judged = judge(agent, model, objective, start.map(Tensor.detach), generator, settings)
    states = judged.imagined.before.map(Tensor.detach)
    value = agent.critic(states).detach()
    returns, weight = judged.returns.detach(), judged.weight.detach()
    policy = agent.actor(states)
    entropy = policy.entropy(judged.imagined.noise)
    if pathwise:
        gained = judged.returns[:, 0]
    else:
        gained = (weight * (returns - value) * policy.log_prob(judged.imagined.raw.detach())).sum(1)
    actor_loss = -(gained / agent.scale(returns) + settings.entropy * (weight * entropy).sum(1)).mean()
    critic_loss = (weight * agent.critic.loss(states, returns)).mean()
    norms = step(agent, optimizers, actor_loss, critic_loss, settings.clip)
    follow(agent.slow, agent.critic, settings.follow)
    return {
        "actor_loss": actor_loss.detach(),
        "critic_loss": critic_loss.detach(),
        **norms,
        "actor_entropy": entropy.detach().mean(),
        "critic_error": (returns - value).abs().mean(),
        "imagined_return": returns[:, 0].mean(),
        "imagined_reward": judged.reward.detach().mean(),
    }


def judge(
    agent: ActorCritic,
    model: WorldModel,
    objective: Objective,
    start: State,
    generator: torch.Generator,
    settings: Settings,
) -> Judged:
    """Imagine and add up."""
    batch, device = start.stoch.shape[0], generator.device
    shape = (batch, settings.horizon)
    noise = torch.randn(*shape, agent.actor.action, generator=generator, device=device).to(start.stoch)
    latent = None
    if settings.sample_latent:
        latent = torch.randn(*shape, start.stoch.shape[-1], generator=generator, device=device).to(start.stoch)
    imagined = imagine(model, agent.actor, start, noise, latent)
    reward = objective.reward(imagined.after, imagined.actions)
    discount = settings.discount * objective.continues(imagined.after)
    returns = lambda_returns(reward, discount, agent.slow(imagined.after), settings.mixing)
    return Judged(imagined, reward, returns, reached(discount))


def step(
    agent: ActorCritic, optimizers: Optimizers, actor_loss: Tensor, critic_loss: Tensor, clip: float
) -> dict[str, Tensor]:
    """Both gradients first, of their own parameters alone, then both steps."""
    losses = {"actor": (actor_loss, agent.actor), "critic": (critic_loss, agent.critic)}
    norms = {f"{name}_gradient_norm": gradient(loss, part, clip) for name, (loss, part) in losses.items()}
    require_finite({"actor_loss": actor_loss.detach(), "critic_loss": critic_loss.detach(), **norms})
    optimizers.actor.step()
    optimizers.critic.step()
    return norms


def require_finite(found: dict[str, Tensor]) -> None:
    if not torch.isfinite(torch.stack(list(found.values()))).all():
        came = {name: f"{value.item():.4g}" for name, value in found.items()}
        raise NonFiniteAgent(
            f"Losses and gradients of actor and critic must be finite; got {came}. Their weights are those of the last "
            "good update. Lower the learning rate or imagine fewer steps."
        )


def gradient(loss: Tensor, part: nn.Module, clip: float) -> Tensor:
    """Put the gradient of ``loss`` into the parameters of ``part`` and nowhere else; its norm before clipping."""
    parameters = list(part.parameters())
    for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = slope
    return nn.utils.clip_grad_norm_(parameters, clip)
