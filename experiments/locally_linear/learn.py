"""One locally linear model from scattered transitions."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

import envs
from experiments.locally_linear.recipes import Recipe
from experiments.locally_linear.transitions import Transitions
from experiments.seeds import torch_generator
from worldmodel.distributions import NormalLatent
from worldmodel.dynamics.locally_linear import LocallyLinear
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.fit import NonFiniteLoss
from worldmodel.heads import Heads
from worldmodel.images import PatchDecoder, PatchEncoder
from worldmodel.interface import State
from worldmodel.likelihoods import Bernoulli
from worldmodel.objectives.predictive import Predictive
from worldmodel.replay import Batch
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window

CLIP = 100.0
LOG_EVERY = 100
FINAL = 0.025  # of the learning rate
ALL_TOGETHER = 1_000  # frames that the first poses are standardized on

Told = Callable[[int, dict[str, float]], None]


def build(recipe: Recipe, seed: int) -> SequenceVAE:
    """The model before training. Its decoder and heads are never trained here: control does not ask them."""
    task = envs.goal_tasks()[recipe.learn]
    latent = NormalLatent(recipe.pose * task.channels, recipe.min_std)
    weights = (recipe.consistency, recipe.curvature, recipe.curvature_radius, recipe.spread, recipe.slowness)
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(torch_generator(seed, "weights").initial_seed())
        image = PatchEncoder(task.size, 1, recipe.features, width=recipe.width)
        return SequenceVAE(
            PoseEncoder(image, task.size, recipe.features, recipe.pose, task.channels, recipe.hidden),
            LocallyLinear(latent, task.action_size, recipe.hidden),
            PatchDecoder(latent.stoch, task.size, task.channels),
            Heads(latent.stoch, recipe.hidden),
            (task.size, task.size, task.channels),
            Predictive(recipe.pose, *weights),
            Bernoulli(),
            reward_std=1.0,
        )


def learn(recipe: Recipe, data: Transitions, seed: int, told: Told) -> SequenceVAE:
    """Train on all of ``data``; told: the update and its losses, every so often. Raises NonFiniteLoss."""
    model, batches, noise = build(recipe, seed), torch_generator(seed, "batches"), torch_generator(seed, "noise")
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    pose_encoder(model).standardize(as_float(data.frames[data.shown[:ALL_TOGETHER, 0, -1]]))
    for update in range(1, recipe.updates + 1):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * annealed(update / recipe.updates)
        chosen = torch.randint(len(data.action), (recipe.batch,), generator=batches)
        terms = losses(model, data.only(chosen), noise)
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        if not torch.isfinite(loss + norm):
            raise NonFiniteLoss(f"Losses must be finite; at update {update} they are {terms}. Try another seed.")
        optimizer.step()
        if update % LOG_EVERY == 0:
            told(update, {name: term.item() for name, term in terms.items()})
    return model.eval().requires_grad_(False)


def losses(model: SequenceVAE, data: Transitions, noise: torch.Generator) -> dict[str, Tensor]:
    """The objective's terms, mean over rows, of transitions all at once; each distinct frame is encoded once."""
    encoder, dynamics = pose_encoder(model), model.dynamics
    showing, where = torch.unique(data.shown, return_inverse=True)
    poses = encoder.poses(as_float(data.frames[showing]))
    posterior = dynamics.latent(encoder.statistics(poses, poses[where].flatten(-2)))
    drawn = torch.randn(*data.shown.shape[:2], dynamics.stoch, generator=noise)
    stoch = posterior.sample(drawn)
    states = State(stoch[..., :0], stoch)
    action = torch.stack([torch.zeros_like(data.action), data.action], dim=1)
    before = State(states.deter.roll(1, 1), torch.cat([torch.zeros_like(stoch[:, :1]), stoch[:, :1]], dim=1))
    prior = dynamics.prior(dynamics.advance(before, action)[1])
    window = Window(pairs(action), stoch[..., :0], drawn, 0)
    terms = model.objective(model, window, Posterior(states, posterior, prior))
    return {name: term.mean() for name, term in terms.items()}


@torch.no_grad()
def held_out_contrast(model: SequenceVAE, data: Transitions, seed: int) -> float:
    """Nats that the model tells of the next latent among those of the other transitions; at most log(count)."""
    return -2 * losses(model, data, torch_generator(seed, "held out"))["contrast"].item()


def pairs(action: Tensor) -> Batch:
    """Windows of two rows with nothing to look at: objectives ask for episodes' limits alone."""
    count = len(action)
    first = torch.tensor([True, False]).expand(count, 2)
    nothing = torch.zeros(count, 2)
    return Batch(
        observation=nothing[..., None],
        action=action,
        reward=nothing,
        terminated=nothing.bool(),
        is_first=first,
        valid=torch.ones_like(first),
        state=nothing[..., None],
    )


def annealed(done: float) -> float:
    return FINAL + (1 - FINAL) * (1 + math.cos(math.pi * done)) / 2


def as_float(frames: Tensor) -> Tensor:
    return frames.float() / 255


def pose_encoder(model: SequenceVAE) -> PoseEncoder:
    assert isinstance(model.encoder, PoseEncoder)
    return model.encoder
