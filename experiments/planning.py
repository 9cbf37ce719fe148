"""From a `PlannerConfig` to a planner: the switch between planners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from experiments.config import PlannerConfig
from experiments.errors import UserError, unknown
from planners.gradient import GradientPlanner
from planners.ilqr import ILQR
from planners.interface import Objective, Planner
from planners.noise import Coloured
from planners.sampling import cem, icem, mppi, random_shooting, tdmpc
from worldmodel.interface import WorldModel

PLANNERS: dict[str, Callable[..., Planner]] = {
    "random-shooting": random_shooting,
    "cem": cem,
    "icem": icem,
    "mppi": mppi,
    "tdmpc": tdmpc,
    "ilqr": ILQR,
    "gradient": GradientPlanner,
}


def make_planner(config: PlannerConfig, model: WorldModel, objective: Objective, generator: torch.Generator) -> Planner:
    """The planner that ``config`` names. Raises UserError for an unknown name or numbers that do not fit it.

    A colour is left out where the model's actions are discrete: there is no noise to be coloured.
    """
    if config.name not in PLANNERS:
        raise unknown("planner", config.name, PLANNERS)
    numbers: dict[str, Any] = {k: v for k, v in asdict(config).items() if k != "name" and v is not None}
    if "colour" in numbers:
        colour = Coloured(numbers.pop("colour"))
        numbers |= {} if model.sizes.discrete else {"noise": colour}
    try:
        return PLANNERS[config.name](model, objective, generator, **numbers)
    except TypeError as error:
        raise UserError(f"The planner {config.name} has no such setting: {error}. Leave that setting out.") from error
    except ValueError as error:
        raise UserError(f"The planner {config.name} cannot be set up so. {error}") from error
