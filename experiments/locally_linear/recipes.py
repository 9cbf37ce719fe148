"""The tasks of the published table, its figures, and what our models of them are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from experiments.errors import unknown
from experiments.model_presets import as_published
from worldmodel.build import ModelConfig


@dataclass(frozen=True)
class Published:
    """Percentage of steps in the goal region, mean of all models (Shu et al. 2020, tables 1 and 2)."""

    pc3: float
    pcc: float
    solar: float


@dataclass(frozen=True)
class Seeing:
    """So many updates of poses that pictures are painted from (`experiments.locally_linear.see`), and what they weigh.

    slowness: of the squared change of pose. foresight: of the squared error of the dynamics' next pose.
    """

    updates: int
    slowness: float
    foresight: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """env: what is controlled. learn: the task whose transitions are learned from; two tasks may share a model.

    samples, held_out: transitions. painting: weight of `experiments.locally_linear.painter`. seeing: what comes before
    the model's objective, whose updates are ``updates``. settling: updates of the dynamics alone, on latents held
    fixed, after the others (as the code of Shu et al. can). optimizer: as in `experiments.config.TrainConfig`.
    distance: to the goal, in standard deviations of the latent or by how slow its directions are (`control.in_moves`).
    horizon, iterations, starts: of iLQR. effort: weight of the squared action against the squared distance to the
    goal; rest: of that part of the distance which is in the change of pose, since a goal image is of a system at rest.
    """

    env: str
    learn: str
    published: Published
    model: ModelConfig
    samples: int
    held_out: int = 500
    updates: int = 1500
    painting: float = 0.0
    seeing: tuple[Seeing, ...] = ()
    settling: int = 0
    optimizer: Literal["adam", "muon"] = "adam"
    batch: int = 256
    learning_rate: float = 3e-3
    distance: Literal["spread", "moves"] = "spread"
    horizon: int = 10
    iterations: int = 4
    starts: int = 4
    effort: float = 0.01
    rest: float = 1.0

    @property
    def all_updates(self) -> int:
        """Of all stages, one after the other."""
        return sum(stage.updates for stage in self.seeing) + self.updates + self.settling


POSES = replace(as_published("pose", ModelConfig()), hidden=64, width=32, stoch=4, spread=0.5, slowness=0.0)

PENDULUM = {
    "learn": "e2c-balance",
    "model": replace(POSES, slowness=20.0),
    "samples": 20_000,
    "rest": 0.2,
}

RECIPES = {
    "planar": Recipe(
        env="e2c-planar",
        learn="e2c-planar",
        published=Published(74.4, 56.6, 68.0),
        model=replace(POSES, stoch=2, stack=1, curvature=70.0, curvature_radius=0.5, spread=0.0),
        samples=5_000,
        updates=2000,
        batch=128,
        learning_rate=5e-3,
    ),
    "balance": Recipe(env="e2c-balance", published=Published(99.1, 91.9, 67.0), **PENDULUM),  # type: ignore[arg-type]
    "swingup": Recipe(env="e2c-swingup", published=Published(58.4, 26.4, 35.4), **PENDULUM),  # type: ignore[arg-type]
    "cartpole": Recipe(
        env="e2c-cartpole",
        learn="e2c-cartpole",
        published=Published(96.3, 94.4, 91.2),
        model=POSES,
        samples=15_000,
        updates=900,
        batch=128,
        rest=0.2,
    ),
    "threelink": Recipe(
        env="e2c-threelink",
        learn="e2c-threelink",
        published=Published(42.4, 14.2, 0.0),
        model=replace(POSES, images="coarse", patch=4, stoch=24, hidden=128, spread=1.0),
        samples=30_000,
        updates=0,
        painting=16.0,
        seeing=(Seeing(2000, slowness=4.0), Seeing(1500, slowness=1.0, foresight=10.0)),
        settling=4000,
        optimizer="muon",
        batch=128,
        learning_rate=6e-3,
        distance="moves",
        horizon=20,
        rest=0.2,
    ),
}


LATENT = {"planar": 2, "balance": 3, "swingup": 3, "cartpole": 8, "threelink": 8}  # of the published models
PUBLISHED = ("e2c", "pcc", "pc3")


def recipe(task: str, model: str | None = None) -> Recipe:
    """model: a published one in the place of ours, with its encoder, objective and latent, as many updates of all
    stages together, and all else the same.

    Raises UserError, with the nearest name, where there is none.
    """
    if task not in RECIPES:
        raise unknown("task", task, RECIPES)
    if model is None:
        return RECIPES[task]
    if model not in PUBLISHED:
        raise unknown("model of pairs", model, PUBLISHED)
    ours = RECIPES[task]
    theirs = replace(as_published(model, ours.model), stack=1, stoch=LATENT[task])  # both frames are in one observation
    plain = replace(ours, painting=0.0, seeing=(), settling=0, distance="spread", rest=1.0)
    return replace(plain, model=theirs, updates=ours.all_updates)
