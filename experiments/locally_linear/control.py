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
from experiments.locally_linear.transitions import Transitions
from experiments.seeds import numpy_generator, torch_generator
from planners.ilqr import ILQR
from planners.objective import ControlPenalty, GoalState, Sum
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.sequence_vae import SequenceVAE

STARTS = 10  # per model, the same for all models, as published
STARTS_SEED = 2020
MOST = 2_000  # transitions that the metric is taken from


def whitening(model: SequenceVAE, data: Transitions, rest: float = 1.0) -> Tensor:
    """The metric of Mahalanobis, ``Cov(z)⁻¹ [latent, latent]``: squared distance to the goal in standard deviations.

    Whatever affine map of the latent a model has happened to learn, distances are the same. rest: what a change of pose
    counts beside a pose, where the latent is made of these.
    """
    latents = encoded(model, data.only(torch.arange(min(MOST, len(data.action)))))[:, 0]
    scale = torch.ones(latents.shape[-1])
    if isinstance(model.encoder, PoseEncoder):
        scale[model.encoder.pose :] = math.sqrt(rest)
    return scale[:, None] * torch.linalg.inv(torch.cov(latents.T)) * scale


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
    objective = Sum((GoalState(goal, whitening(model, data, recipe.rest)), ControlPenalty(recipe.effort)), (1.0, 1.0))
    numbers = {"horizon": recipe.horizon, "iterations": recipe.iterations, "starts": recipe.starts}
    planner = ILQR(model, objective, torch_generator(seed, "act"), **numbers)
    observation, plan, inside = env.set_state(starts), None, np.zeros(len(starts))
    for _ in range(task.episode_steps):
        belief = model.filter(nothing, rest, torch.from_numpy(observation))
        action, plan = planner.plan(belief.state, plan)
        observation, _, _, _, info = env.step(action.numpy())
        inside += task.in_goal(torch.from_numpy(info["state"]), torch.from_numpy(goals)).numpy()
    return (100 * inside / task.episode_steps).tolist()
