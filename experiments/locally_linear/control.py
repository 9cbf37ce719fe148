"""iLQR to a goal image: what part of the decisions ends in the goal region."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

import envs
from envs.vector import PixelVectorEnv
from experiments.locally_linear.learn import encoded
from experiments.locally_linear.recipes import Recipe
from experiments.locally_linear.see import pose_encoder
from experiments.locally_linear.transitions import Transitions
from experiments.seeds import numpy_generator, torch_generator
from planners.ilqr import ILQR
from planners.objective import ControlPenalty, GoalState, Sum
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.sequence_vae import SequenceVAE

STARTS = 10  # per model, the same for all models, as published
STARTS_SEED = 2020
MOST = 2_000  # transitions that the metric is taken from


def distances(recipe: Recipe, model: SequenceVAE, data: Transitions) -> Tensor:
    """The metric ``[latent, latent]`` that the recipe names, from ``data``.

    Whatever affine map of the latent a model has happened to learn, distances are the same.
    """
    latents = encoded(model, data.only(torch.arange(min(MOST, len(data.action)))))
    if recipe.distance == "moves":
        return in_moves(latents, pose_encoder(model).pose, recipe.rest)
    pose = model.encoder.pose if isinstance(model.encoder, PoseEncoder) else latents.shape[-1]
    return whitening(latents[:, 0], pose, recipe.rest)


def whitening(latent: Tensor, pose: int, rest: float) -> Tensor:
    """The metric of Mahalanobis, ``Cov(z)⁻¹ [latent, latent]``: squared distance to the goal in standard deviations.

    latent: ``[count, latent]``. rest: what all dimensions but the first ``pose``, the change of pose, count beside it.
    """
    scale = torch.ones(latent.shape[-1])
    scale[pose:] = math.sqrt(rest)
    return scale[:, None] * torch.linalg.inv(torch.cov(latent.T)) * scale


def in_moves(latents: Tensor, pose: int, rest: float) -> Tensor:
    """``M⁻¹ C M⁻¹`` of poses of covariance C whose moves have a mean square M, scaled to `whitening` on average.

    In standard deviations what is quick is as far as what is slow, and a pose of many dimensions holds harmonics: to
    the double angle, hanging is upright. Directions that move by λ of their variance in a decision count 1 / λ² here,
    as in the biharmonic distance (Lipman 2010), so that the slow, which are the first harmonics, outweigh the others.
    latents: ``[count, 2, latent]``, before and after a decision. The change of pose counts ``rest`` of its own
    Mahalanobis distance.
    """
    before, after = latents[..., :pose].unbind(1)
    covariance = torch.cov(before.T)
    moves = torch.linalg.inv((after - before).T @ (after - before) / len(before))
    metric = moves @ covariance @ moves
    scale = pose / (metric * covariance).sum()
    return torch.block_diag(scale * metric, rest * torch.linalg.inv(torch.cov(latents[:, 0, pose:].T)))


def starts_and_goals(env: str, seed: int = STARTS_SEED) -> tuple[np.ndarray, np.ndarray]:
    """True states ``[starts, state]``: where episodes begin, and what their goal images show."""
    task, rng = envs.goal_tasks()[env], numpy_generator(seed, "starts")
    starts = np.stack([task.initial(rng) for _ in range(STARTS)])
    return starts, np.array(task.goals)[rng.integers(len(task.goals), size=STARTS)]


@torch.no_grad()
def in_goal_region(
    recipe: Recipe, model: SequenceVAE, data: Transitions, seed: int, begin: tuple[np.ndarray, np.ndarray] | None = None
) -> list[float]:
    """Percentage of the steps arrived at in the goal region, one per start; the model sees pictures alone.

    begin: other starts and goals than the benchmark's, to choose a recipe by.
    """
    task = envs.goal_tasks()[recipe.env]
    starts, goals = begin or starts_and_goals(recipe.env)
    env = PixelVectorEnv(task, len(starts), task.size)
    nothing, rest = model.initial(len(starts)), torch.zeros(len(starts), task.action_size)
    goal = model.filter(nothing, rest, torch.from_numpy(env.set_state(goals))).state.vector
    objective = Sum((GoalState(goal, distances(recipe, model, data)), ControlPenalty(recipe.effort)), (1.0, 1.0))
    numbers = {"horizon": recipe.horizon, "iterations": recipe.iterations, "starts": recipe.starts}
    planner = ILQR(model, objective, torch_generator(seed, "act"), **numbers)
    observation, plan, inside = env.set_state(starts), None, np.zeros(len(starts))
    for _ in range(task.episode_steps):
        belief = model.filter(nothing, rest, torch.from_numpy(observation))
        action, plan = planner.plan(belief.state, plan)
        observation, _, _, _, info = env.step(action.numpy())
        inside += task.in_goal(torch.from_numpy(info["state"]), torch.from_numpy(goals)).numpy()
    return (100 * inside / task.episode_steps).tolist()
