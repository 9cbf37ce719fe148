"""The tasks of the published table, its figures, and what our models of them are made of."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.errors import unknown


@dataclass(frozen=True)
class Published:
    """Percentage of steps in the goal region, mean of all models (Shu et al. 2020, tables 1 and 2)."""

    pc3: float
    pcc: float
    solar: float


@dataclass(frozen=True)
class Recipe:
    """env: what is controlled. learn: the task whose transitions are learned from; two tasks may share a model.

    pose, hidden, features, width: sizes of the networks. samples, held_out: transitions. The weights are those of
    `worldmodel.objectives.predictive`. min_std: of posterior and transition. horizon, iterations, starts: of iLQR.
    effort: weight of the squared action against the squared distance to the goal in standard deviations; rest: of that
    part of the distance which is in the change of pose, since a goal image is of a system at rest.
    """

    env: str
    learn: str
    published: Published
    pose: int
    samples: int
    hidden: int = 64
    features: int = 64
    width: int = 32
    held_out: int = 500
    updates: int = 1500
    batch: int = 256
    learning_rate: float = 3e-3
    consistency: float = 0.3
    curvature: float = 10.0
    curvature_radius: float = 0.3
    spread: float = 0.5
    slowness: float = 0.0
    min_std: float = 0.1
    horizon: int = 10
    iterations: int = 4
    starts: int = 4
    effort: float = 0.01
    rest: float = 1.0


PENDULUM = {"learn": "e2c-balance", "pose": 2, "samples": 20_000, "slowness": 20.0, "rest": 0.2}

RECIPES = {
    "planar": Recipe(
        env="e2c-planar",
        learn="e2c-planar",
        published=Published(74.4, 56.6, 68.0),
        pose=2,
        samples=5_000,
        features=128,
        updates=2000,
        batch=128,
        learning_rate=5e-3,
        curvature=70.0,
        curvature_radius=0.5,
        spread=0.0,
    ),
    "balance": Recipe(env="e2c-balance", published=Published(99.1, 91.9, 67.0), **PENDULUM),  # type: ignore[arg-type]
    "swingup": Recipe(env="e2c-swingup", published=Published(58.4, 26.4, 35.4), **PENDULUM),  # type: ignore[arg-type]
    "cartpole": Recipe(
        env="e2c-cartpole",
        learn="e2c-cartpole",
        published=Published(96.3, 94.4, 91.2),
        pose=2,
        samples=15_000,
        updates=900,
        batch=128,
        rest=0.2,
    ),
    "threelink": Recipe(
        env="e2c-threelink", learn="e2c-threelink", published=Published(42.4, 14.2, 0.0), pose=6, samples=30_000
    ),
}


def recipe(task: str) -> Recipe:
    """Raises UserError, with the nearest name, where there is none."""
    if task not in RECIPES:
        raise unknown("task", task, RECIPES)
    return RECIPES[task]
