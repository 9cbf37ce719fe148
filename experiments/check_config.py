"""Everything that can be wrong with a configuration, found before a folder is made or an episode played."""

from __future__ import annotations

import torch

from experiments.config import ActorConfig, TrainConfig, planner_collects
from experiments.data_source import shapes
from experiments.environment import Shapes
from experiments.errors import UserError
from experiments.planning import make_planner
from experiments.policies import NO_POLICIES, build_agent, policies_of
from planners.objective import LearnedReward
from worldmodel.build import build

IN_TURNS = ("first_lesson", "last_lesson", "lesson", "steps")
AT_LEAST_ONE = ("threads", "seed_episodes", "rounds", "updates", "episodes", "envs", "batch")


def check(config: TrainConfig) -> None:
    """Raises UserError, with the rule, what came and what to do."""
    form = shapes(config)
    check_numbers(config)
    check_explorers(config)
    if config.afresh and config.data:
        raise UserError(
            "--afresh is for runs that collect between one model and the next; with --data nothing is collected, and "
            "any new run begins with new weights. Leave it out."
        )
    require(config.last_updates >= 0, "last_updates", "at least 0", config.last_updates)
    if config.last_updates and not config.afresh:
        raise UserError(
            f"--last-updates is for runs whose last round begins afresh; {config.last_updates} came without --afresh. "
            "Give --last-updates 0, or --afresh too."
        )
    check_actor(config.actor)
    check_turns(config)
    check_size(form, config)
    try:
        model = build(config.model, form.observation, form.action, form.discrete)
    except ValueError as error:
        raise UserError(str(error)) from error
    learned = NO_POLICIES
    if config.agent != "planner":
        learned = policies_of(build_agent(config.actor, model.sizes, config.agent), config.actor)
    for planner in (config.collect, config.planner):
        make_planner(planner, model, LearnedReward(model), torch.Generator(), learned)


def check_numbers(config: TrainConfig) -> None:
    for name in AT_LEAST_ONE:
        require(getattr(config, name) >= 1, name, "at least 1", getattr(config, name))
    require(config.seed >= 0, "seed", "at least 0", config.seed)
    require(config.length >= 2, "length", "at least 2", config.length)
    require(config.replay_gb > 0, "replay_gb", "greater than 0", config.replay_gb)
    require(config.action_noise >= 0, "action_noise", "at least 0", config.action_noise)
    require(0 <= config.exploration < 1, "exploration", "in [0, 1)", config.exploration)
    require(0 <= config.paid <= 1, "paid", "in [0, 1]", config.paid)
    half = config.size // 2
    require(0 <= config.shift < half, "shift", f"at least 0 and below {half}, half of the pictures' side", config.shift)
    require(config.explore >= 0, "explore", "at least 0", config.explore)
    require(config.clip > 0, "clip", "greater than 0", config.clip)
    rates = config.learning_rate > 0 and config.final_learning_rate >= 0
    require(rates, "learning_rate", "greater than 0", min(config.learning_rate, config.final_learning_rate))


def check_explorers(config: TrainConfig) -> None:
    if config.explore and (config.data or not planner_collects(config)):
        how = "by no one: --data is all there is" if config.data else "by the actor"
        raise UserError(
            f"--explore is for planners that collect; {config.explore} came, and here episodes are collected {how}. "
            "Leave it out, or let a planner collect, which may try what the actor proposes: --collect.name icem+policy."
        )


def check_actor(config: ActorConfig) -> None:
    for name in ("hidden", "horizon", "starts", *IN_TURNS):
        require(getattr(config, name) >= 1, f"actor.{name}", "at least 1", getattr(config, name))
    for name in ("learning_rate", "clip", "train_ratio"):
        require(getattr(config, name) > 0, f"actor.{name}", "greater than 0", getattr(config, name))
    for name in ("discount", "follow"):
        require(0 < getattr(config, name) <= 1, f"actor.{name}", "in (0, 1]", getattr(config, name))
    require(0 <= config.mixing <= 1, "actor.mixing", "in [0, 1]", config.mixing)
    require(0 <= config.dropout < 1, "actor.dropout", "in [0, 1)", config.dropout)
    require(config.entropy >= 0, "actor.entropy", "at least 0", config.entropy)
    require(config.turn >= 0, "actor.turn", "at least 0", config.turn)


def check_turns(config: TrainConfig) -> None:
    turn = config.actor.turn
    if turn and not (config.agent == "slac" and config.afresh):
        raise UserError(
            f"--actor.turn is for --agent slac and --afresh, rounds with a finished model to learn in; {turn} came "
            f"with --agent {config.agent} and --{'' if config.afresh else 'no-'}afresh. Leave it out, or give both."
        )
    if turn and config.episodes % turn:
        raise UserError(
            f"--actor.turn must divide --episodes, the {config.episodes} of a round; {turn} came. Take a divisor."
        )
    if config.actor.steps > 1 and not turn:
        raise UserError(
            f"--actor.steps above 1 is for an agent that learns in turns; {config.actor.steps} came. Give --actor.turn "
            "too, or leave it out."
        )


def check_size(form: Shapes, config: TrainConfig) -> None:
    height, width, _ = form.observation
    if config.data and (height, width) != (config.size, config.size):
        advice = f"Give --size {height}." if height == width else "Make square images of them and import them again."
        raise UserError(
            f"Images must have the size of the configuration, {config.size}×{config.size}; those in "
            f"{config.data.path} have {height}×{width}. {advice}"
        )


def require(holds: bool, name: str, rule: str, came: float) -> None:
    if not holds:  # false for NaN too
        raise UserError(f"--{name.replace('_', '-')} must be {rule}; {came} came.")
