"""From a `PlannerConfig` to a planner: the switch between planners.

Beside those that only search there are an ``actor`` and one ``distilled`` from a planner, where a run has learned them
(`experiments.policies`); and any search may end with the critic's value, ``cem+value``, or try what the actor proposes,
``icem+policy``, or both, ``mppi+policy+value``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch

from experiments.config import PlannerConfig, TrainConfig
from experiments.errors import UserError, unknown
from experiments.policies import NO_POLICIES, Policies, load
from planners.actor_critic.policy import ActorPlanner
from planners.actor_critic.proposals import ActorProposals
from planners.gradient import GradientPlanner
from planners.ilqr import ILQR
from planners.interface import Objective, Planner
from planners.noise import Coloured
from planners.objective import WithTail
from planners.sampling import cem, icem, mppi, random_shooting, tdmpc
from worldmodel.interface import Sizes, WorldModel

Part = TypeVar("Part")

PLANNERS: dict[str, Callable[..., Planner]] = {
    "random-shooting": random_shooting,
    "cem": cem,
    "icem": icem,
    "mppi": mppi,
    "tdmpc": tdmpc,
    "ilqr": ILQR,
    "gradient": GradientPlanner,
}


ACTORS = ("actor", "distilled")
SAMPLING = ("random-shooting", "cem", "icem", "mppi", "tdmpc")
VALUE, POLICY = "value", "policy"  # what may be added to a search, after a plus


def require_name(name: str, also: tuple[str, ...] = ()) -> None:
    """Raise UserError for a planner that does not exist."""
    base, *added = name.split("+")
    if base not in (*PLANNERS, *ACTORS, *also):
        raise unknown("planner", base, (*PLANNERS, *ACTORS, *also))
    for part in added:
        if part not in (VALUE, POLICY) or base in also:
            raise unknown("addition to a planner", part, (VALUE, POLICY))
    if POLICY in added and base not in SAMPLING:
        raise UserError(f"An actor's proposals are for planners that sample, {', '.join(SAMPLING)}; {name} came.")


def is_learned(name: str) -> bool:
    """Whether the planner needs what a run has learned beside its model."""
    return "+" in name or name in ACTORS


def policies_for(name: str, run: Path, config: TrainConfig, sizes: Sizes, device: torch.device) -> Policies:
    """What the planner ``name`` may need of a run; nothing is read for one that needs nothing."""
    return load(run, config, sizes, device) if is_learned(name) else NO_POLICIES


def make_planner(
    config: PlannerConfig,
    model: WorldModel,
    objective: Objective,
    generator: torch.Generator,
    policies: Policies = NO_POLICIES,
) -> Planner:
    """The planner that ``config`` names. Raises UserError for an unknown name or numbers that do not fit it.

    A colour is left out where the model's actions are discrete: there is no noise to be coloured.
    """
    require_name(config.name)
    base, *added = config.name.split("+")
    numbers: dict[str, Any] = {k: v for k, v in asdict(config).items() if k != "name" and v is not None}
    if base in ACTORS:
        numbers["actor"] = required(policies.actor if base == "actor" else policies.distilled, base)
    if has_tail(config.name):
        objective = WithTail(objective, required(policies.critic, config.name))
        numbers["discount"] = discount_of(config, policies)
    if POLICY in added:
        actor = required(policies.actor, config.name)
        numbers["proposals"] = ActorProposals(model, actor, generator, config.horizon)
    if "colour" in numbers:
        colour = Coloured(numbers.pop("colour"))
        numbers |= {} if model.sizes.discrete else {"noise": colour}
    try:
        return PLANNERS.get(base, ActorPlanner)(model, objective, generator, **numbers)
    except TypeError as error:
        raise UserError(f"The planner {config.name} has no such setting: {error}. Leave that setting out.") from error
    except ValueError as error:
        raise UserError(f"The planner {config.name} cannot be set up so. {error}") from error


def discount_of(config: PlannerConfig, policies: Policies) -> float:
    """The planner's; with a critic's value, the critic's unless the planner was given one."""
    return policies.discount if has_tail(config.name) and config.discount == 1 else config.discount


def has_tail(name: str) -> bool:
    return VALUE in name.split("+")


def required(part: Part | None, name: str) -> Part:
    if part is None:
        raise UserError(
            f"The planner {name} needs what a run learns beside its model, and here there is none. Train with --agent "
            "actor-critic, or learn it in a finished run: `worldmodel imagine RUN` for an actor and its critic, "
            "`worldmodel distil RUN` for a distilled one."
        )
    return part
