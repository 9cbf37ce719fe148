"""Equal budgets: what one decision may cost, and a planner's numbers chosen so that it costs no more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from experiments.config import PlannerConfig
from experiments.errors import UserError
from experiments.planning import make_planner
from experiments.policies import NO_POLICIES, Policies
from planners.interface import Planner
from planners.objective import LearnedReward
from worldmodel.interface import WorldModel

Kind = Literal["steps", "ms"]


@dataclass(frozen=True, order=True)
class Budget:
    """Of one decision for one environment: prior steps of the model, or milliseconds."""

    kind: Kind
    amount: float

    def __str__(self) -> str:
        return f"{self.kind}={self.amount:g}" if self.amount < 1e5 else f"{self.kind}={self.amount:.0f}"


class TooSmallError(UserError):
    """Not even the smallest search of this planner fits into the budget."""


def parse_budget(text: str) -> Budget:
    """``steps=20000`` or ``ms=50``. Raises UserError for anything else."""
    kind, _, number = text.partition("=")
    try:
        amount = float(number)
    except ValueError:
        amount = 0.0
    if kind not in ("steps", "ms") or not 0 < amount < float("inf"):
        raise UserError(
            f"A budget is steps=NUMBER (model steps per decision) or ms=NUMBER (milliseconds per decision), greater "
            f"than 0; '{text}' came. Write for example --budget steps=20000."
        )
    return Budget("steps" if kind == "steps" else "ms", amount)


def budgeted(config: PlannerConfig, model: WorldModel, policies: Policies = NO_POLICIES) -> Planner:
    """The planner of ``config`` on ``model``, to ask for its costs. Raises UserError."""
    device = model.initial(1).state.stoch.device
    return make_planner(config, model, LearnedReward(model), torch.Generator(device=device), policies)


def fit_steps(config: PlannerConfig, model: WorldModel, steps: int, policies: Policies = NO_POLICIES) -> PlannerConfig:
    """``config`` with the largest search of at most ``steps`` model steps per decision.

    Sampling planners get more or fewer candidates and keep the share of elites, the others iterations. The result says
    all numbers, so that `worldmodel evaluate` plays the same. Raises TooSmallError.
    """
    try:
        return sized(config, budgeted(config, model, policies).with_budget(steps))
    except ValueError as error:
        raise TooSmallError(f"The budget steps={steps} is too small for {config.name}: {error}") from error


def sized(config: PlannerConfig, planner: Planner) -> PlannerConfig:
    """``config`` with the sizes that ``planner`` has."""
    names = ("iterations", "candidates", "elites")
    return replace(config, **{name: getattr(planner, name) for name in names if hasattr(planner, name)})
