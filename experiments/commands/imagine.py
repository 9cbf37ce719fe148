"""`worldmodel imagine RUN`: an actor and its critic, learned in the finished model of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from torch import Tensor

from experiments import check_config, policies, run_folder
from experiments.beliefs import filtered_episodes, replayed_beliefs
from experiments.commands.leading import leading, wants_help
from experiments.config import ActorConfig
from experiments.data_source import stored_replay
from experiments.errors import UserError
from experiments.learner import ImaginationLearner, SoftLearner, imagination_learner, set_rate, soft_learner
from experiments.schedule import falling
from experiments.seeds import numpy_generator

LINES = 10  # of progress
SHOWN = ("imagined_return", "imagined_reward", "critic_error", "critic_value", "actor_entropy", "temperature")


@dataclass(frozen=True)
class Arguments:
    """Learn an actor and its critic in the model of a run, without touching the model or any environment.

    Kept in RUN/imagined. Then there are the planners actor, cem+value, icem+policy and so on for that run.
    """

    run: tyro.conf.Positional[Path]
    """Run folder, as `worldmodel train` wrote it."""
    agent: Literal["actor-critic", "slac"] = "actor-critic"
    """actor-critic: from what the model imagines. slac: softly, from the steps of the run's episodes as the model
    filters them, in which nothing is paid that was not."""
    updates: int = 4000
    """Gradient steps."""
    beliefs: int = 20000
    """Filtered states of the run's episodes that imagination starts from (not slac)."""
    seed: int = 0
    """Decides everything random."""
    actor: Annotated[ActorConfig, tyro.conf.arg(name="")] = field(default_factory=ActorConfig)


def run(argv: list[str]) -> None:
    """Raises UserError, CheckpointError."""
    if not wants_help(argv):
        leading(argv, "worldmodel imagine RUN [options]")
    arguments = tyro.cli(Arguments, prog="worldmodel imagine", args=argv)
    check_config.check_actor(arguments.actor)
    for name in ("updates", "beliefs"):
        check_config.require(getattr(arguments, name) >= 1, name, "at least 1", getattr(arguments, name))
    torch.set_num_threads(1)
    learner = learn(arguments)
    policies.save(arguments.run, policies.IMAGINED, learner.module, arguments.actor, arguments.agent)
    print(f"wrote {arguments.run / policies.IMAGINED}")
    print(f"next: worldmodel evaluate {arguments.run} --planner actor, or cem+value, icem+policy")


def learn(arguments: Arguments) -> ImaginationLearner | SoftLearner:
    learner, update = (softly if arguments.agent == "slac" else in_imagination)(arguments)
    improve(learner, update, arguments.updates)
    return learner


def in_imagination(arguments: Arguments) -> tuple[ImaginationLearner, Callable[[], dict[str, Tensor]]]:
    """The learner before its first update, and one update."""
    config, model = run_folder.load_model(arguments.run, torch.device("cpu"))
    rng = numpy_generator(arguments.seed, "beliefs")
    states = replayed_beliefs(model, arguments.run, config, arguments.beliefs, rng)
    print(f"{len(states.stoch)} beliefs from {arguments.run}")
    learner = imagination_learner(arguments.actor, arguments.seed, model.sizes, torch.device("cpu"))
    return learner, partial(learner.imagine, model, states)


def softly(arguments: Arguments) -> tuple[SoftLearner, Callable[[], dict[str, Tensor]]]:
    """The same from the steps of episodes. Raises UserError."""
    config, model = run_folder.load_model(arguments.run, torch.device("cpu"))
    learner = soft_learner(arguments.actor, arguments.seed, model.sizes, torch.device("cpu"))
    replay = stored_replay(config, arguments.run)
    if replay.count("train") == 0:
        raise UserError(
            f"An agent learns from the steps of a run's episodes; {arguments.run} has none. Train it first."
        )
    episodes = filtered_episodes(model, replay.episodes("train"))
    print(f"{replay.count('train')} episodes, {int((episodes.left > 0).sum())} steps from {arguments.run}")
    return learner, partial(learner.teach, episodes)


def improve(learner: ImaginationLearner | SoftLearner, update: Callable[[], dict[str, Tensor]], updates: int) -> None:
    """``updates`` of the learner; its learning rate falls to a twentieth."""
    started, every = time.monotonic(), max(1, updates // LINES)
    for number in range(updates):
        set_rate(learner, falling(number / updates))
        found = update()
        if (number + 1) % every == 0 or number + 1 == updates:
            print(line(number + 1, updates, found, time.monotonic() - started), flush=True)


def line(done: int, updates: int, found: dict[str, Tensor], seconds: float) -> str:
    numbers = [f"{name.replace('_', ' ')} {float(found[name]):.3g}" for name in SHOWN if name in found]
    return " · ".join([f"update {done}/{updates}", *numbers, f"{done / seconds:.0f} updates/s"])
