"""`worldmodel imagine RUN`: an actor and its critic, learned in the finished model of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import Tensor

from experiments import check_config, policies, run_folder
from experiments.beliefs import replayed_beliefs
from experiments.commands.leading import leading, wants_help
from experiments.config import ActorConfig
from experiments.learner import ImaginationLearner, imagination_learner
from experiments.schedule import half_cosine
from experiments.seeds import numpy_generator
from worldmodel.interface import State, WorldModel

LINES = 10  # of progress


@dataclass(frozen=True)
class Arguments:
    """Learn an actor and its critic in imagination, without touching the model or any environment.

    Kept in RUN/imagined. Then there are the planners actor, cem+value, icem+policy and so on for that run.
    """

    run: tyro.conf.Positional[Path]
    """Run folder, as `worldmodel train` wrote it."""
    updates: int = 4000
    """Gradient steps."""
    beliefs: int = 20000
    """Filtered states of the run's episodes that imagination starts from."""
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
    policies.save(arguments.run, policies.IMAGINED, learner.module, arguments.actor)
    print(f"wrote {arguments.run / policies.IMAGINED}")
    print(f"next: worldmodel evaluate {arguments.run} --planner actor, or cem+value, icem+policy")


def learn(arguments: Arguments) -> ImaginationLearner:
    config, model = run_folder.load_model(arguments.run, torch.device("cpu"))
    rng = numpy_generator(arguments.seed, "beliefs")
    states = replayed_beliefs(model, arguments.run, config, arguments.beliefs, rng)
    print(f"{len(states.stoch)} beliefs from {arguments.run}")
    learner = imagination_learner(arguments.actor, arguments.seed, model.sizes, torch.device("cpu"))
    imagine(learner, model, states, arguments.updates)
    return learner


def imagine(learner: ImaginationLearner, model: WorldModel, states: State, updates: int) -> None:
    """``updates`` from random ones of ``states [rows, latent]``; the learning rate falls to a twentieth."""
    started, every = time.monotonic(), max(1, updates // LINES)
    for number in range(updates):
        rate = learner.config.learning_rate * (0.05 + 0.95 * half_cosine(number / updates))
        for optimizer in learner.parts:
            optimizer.param_groups[0]["lr"] = rate
        found = learner.imagine(model, states)
        if (number + 1) % every == 0 or number + 1 == updates:
            print(line(number + 1, updates, found, time.monotonic() - started), flush=True)


def line(done: int, updates: int, found: dict[str, Tensor], seconds: float) -> str:
    shown = ("imagined_return", "imagined_reward", "critic_error", "actor_entropy")
    return " · ".join(
        [f"update {done}/{updates}"]
        + [f"{name.replace('_', ' ')} {float(found[name]):.3g}" for name in shown]
        + [f"{done / seconds:.0f} updates/s"]
    )
