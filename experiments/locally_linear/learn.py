"""One locally linear model from scattered transitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn

import envs
from experiments.locally_linear import see
from experiments.locally_linear.painter import Painter
from experiments.locally_linear.recipes import Recipe, Seeing
from experiments.locally_linear.see import pose_encoder
from experiments.locally_linear.transitions import Transitions
from experiments.seeds import torch_generator
from worldmodel.build import build
from worldmodel.distributions import Normal
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.fit import LOGGED_ONLY, NonFiniteLoss
from worldmodel.interface import State
from worldmodel.muon import Muon
from worldmodel.objectives.predictive import Predictive
from worldmodel.replay import Batch
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window

CLIP = 100.0
LOG_EVERY = 100
FINAL = 0.025  # of the learning rate
ALL_TOGETHER = 1_000  # frames that the first poses are standardized on

Told = Callable[[int, dict[str, float]], None]
Terms = dict[str, Tensor]


def begin(recipe: Recipe, seed: int) -> SequenceVAE:
    """The model before training."""
    task = envs.goal_tasks()[recipe.learn]
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(torch_generator(seed, "weights").initial_seed())
        return build(recipe.model, (task.size, task.size, task.channels), task.action_size)


def learn(recipe: Recipe, data: Transitions, seed: int, told: Told) -> SequenceVAE:
    """Train on all of ``data``; told: the update and its losses, every so often. Raises NonFiniteLoss."""
    model, batches, noise = begin(recipe, seed), torch_generator(seed, "batches"), torch_generator(seed, "noise")
    painter = None
    if isinstance(model.encoder, PoseEncoder):
        frames = as_float(data.frames[data.shown[:ALL_TOGETHER, 0, -1]])[:, None]
        model.encoder.standardize(frames)
        painter = beside(recipe, model.encoder.pose, frames, seed) if recipe.painting else None
    for stage in recipe.seeing:
        if painter is None:
            raise ValueError("Poses that need not tell the picture collapse. Give painting a weight, or no seeing.")
        descend(
            recipe,
            [*model.parameters(), *painter.parameters()],
            stage.updates,
            told,
            partial(seeing, recipe, stage, model, painter, data, batches),
        )
        see.rescale(model, data)
    descend(
        recipe,
        [*model.parameters(), *(painter.parameters() if painter else ())],
        recipe.updates,
        told,
        lambda: losses(model, some(recipe, data, batches), noise, painter),
    )
    if recipe.settling:
        latents = encoded(model, data)
        descend(
            recipe,
            model.dynamics.parameters(),  # type: ignore[attr-defined]
            recipe.settling,
            told,
            lambda: prediction(model, latents, data.action, recipe.batch, batches),
        )
    return model.eval().requires_grad_(False)


def seeing(
    recipe: Recipe,
    stage: Seeing,
    model: SequenceVAE,
    painter: Painter,
    data: Transitions,
    batches: torch.Generator,
) -> Terms:
    return see.terms(recipe, stage, model, painter, some(recipe, data, batches))


def beside(recipe: Recipe, pose: int, frames: Tensor, seed: int) -> Painter:
    """Who paints ``frames [count, 1, size, size]`` from their poses."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_generator(seed, "painter").initial_seed())
        return Painter(pose, frames, recipe.model.hidden, recipe.painting)


def descend(
    recipe: Recipe, parameters: Iterable[nn.Parameter], updates: int, told: Told, terms: Callable[[], Terms]
) -> None:
    """So many updates, the learning rate falling by a cosine."""
    parameters = list(parameters)
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "muon":
        optimizer = Muon(parameters, lr=recipe.learning_rate)
    else:
        optimizer = torch.optim.Adam(parameters, lr=recipe.learning_rate, fused=True)
    for update in range(1, updates + 1):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * annealed(update / updates)
        found = terms()
        loss = torch.stack(list(found.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, CLIP)
        if not torch.isfinite(loss + norm):
            raise NonFiniteLoss(f"Losses must be finite; at update {update} they are {found}. Try another seed.")
        optimizer.step()
        if update % LOG_EVERY == 0:
            told(update, {name: term.item() for name, term in found.items()})


def some(recipe: Recipe, data: Transitions, generator: torch.Generator) -> Transitions:
    """A batch of ``data``."""
    return data.only(torch.randint(len(data.action), (recipe.batch,), generator=generator))


def losses(model: SequenceVAE, data: Transitions, noise: torch.Generator, painter: Painter | None = None) -> Terms:
    """The objective's terms, mean over rows, of transitions all at once; and the painter's, if there is one."""
    action = torch.stack([torch.zeros_like(data.action), data.action], dim=1)
    drawn = torch.randn(*data.shown.shape[:2], model.sizes.stoch, generator=noise)
    if isinstance(model.objective, Predictive):
        terms = shaping(model, data, action, drawn, painter)
    else:
        terms = model.losses(pairs(action, pictures(data)), drawn)
    return {name: term.mean() for name, term in terms.items() if name not in LOGGED_ONLY}


def shaping(
    model: SequenceVAE, data: Transitions, action: Tensor, noise: Tensor, painter: Painter | None = None
) -> Terms:
    """Those of `model.losses` that make encoder and dynamics; control asks no decoder. Each frame is encoded once."""
    encoder, dynamics = pose_encoder(model), model.dynamics
    showing, where = torch.unique(data.shown, return_inverse=True)
    frames = as_float(data.frames[showing])[:, None]
    distinct = encoder.poses(frames)
    poses = distinct[where].flatten(-2)
    posterior = dynamics.latent(encoder.statistics(poses[..., :0], poses))
    stoch = posterior.sample(noise)
    states = State(stoch[..., :0], stoch)
    before = State(states.deter.roll(1, 1), torch.cat([torch.zeros_like(stoch[:, :1]), stoch[:, :1]], dim=1))
    prior = dynamics.prior(dynamics.advance(before, action)[1])
    assert isinstance(model.objective, Predictive)
    window = Window(pairs(action, action[..., None, None]), stoch[..., :0], noise, 0)
    painted = {"painting": painter(distinct, frames)} if painter else {}
    return painted | model.objective.shape(model, window, Posterior(states, posterior, prior))


@torch.no_grad()
def encoded(model: SequenceVAE, data: Transitions, at_once: int = 500) -> Tensor:
    """Mean latents ``[count, 2, latent]``."""
    rest = torch.zeros(len(data.action), model.sizes.action)
    rows = []
    for chosen in torch.arange(len(data.action)).split(at_once):
        seen = pictures(data.only(chosen)).flatten(0, 1)
        nothing = model.initial(len(seen))
        rows.append(model.filter(nothing, rest[:1].expand(len(seen), -1), seen).state.vector.unflatten(0, (-1, 2)))
    return torch.cat(rows)


def prediction(model: SequenceVAE, latents: Tensor, action: Tensor, batch: int, generator: torch.Generator) -> Terms:
    """-log p(z'|z, a) of a batch of latents ``[count, 2, latent]`` held fixed."""
    chosen = torch.randint(len(action), (batch,), generator=generator)
    before, after = latents[chosen].unbind(1)
    dynamics = model.dynamics
    prior = dynamics.prior(dynamics.advance(State(before[..., :0], before), action[chosen])[1])
    assert isinstance(prior, Normal)
    return {"prediction": -prior.log_prob(after).mean()}


@torch.no_grad()
def held_out_contrast(model: SequenceVAE, data: Transitions, seed: int) -> float | None:
    """Nats that the model tells of the next latent among those of the other transitions; at most log(count).

    None for objectives without it.
    """
    found = losses(model, data, torch_generator(seed, "held out"))
    return -2 * found["contrast"].item() if "contrast" in found else None


def pairs(action: Tensor, observation: Tensor) -> Batch:
    """Windows of two rows, ``[count, 2, ...]``, each an episode of its own, without rewards."""
    count = len(action)
    first = torch.tensor([True, False]).expand(count, 2)
    nothing = torch.zeros(count, 2)
    return Batch(
        observation=observation,
        action=action,
        reward=nothing,
        terminated=nothing.bool(),
        is_first=first,
        valid=torch.ones_like(first),
        state=nothing[..., None],
    )


def pictures(data: Transitions) -> Tensor:
    """``[count, 2, height, width, channel]`` uint8."""
    return data.frames[data.shown].movedim(2, -1)


def annealed(done: float) -> float:
    return FINAL + (1 - FINAL) * (1 + math.cos(math.pi * done)) / 2


def as_float(frames: Tensor) -> Tensor:
    return frames.float() / 255
