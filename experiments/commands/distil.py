"""`worldmodel distil RUN --teacher icem`: an actor that decides as a planner did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import Tensor

from experiments import check_config, policies, run_folder
from experiments.beliefs import replayed_beliefs
from experiments.commands.leading import leading, wants_help
from experiments.config import ActorConfig, TrainConfig
from experiments.planner_choice import choose
from experiments.planning import make_planner, policies_for
from experiments.schedule import half_cosine
from experiments.seeds import numpy_generator, torch_generator
from planners.actor_critic.actor import Actor
from planners.actor_critic.distil import decisions, imitate, mismatch
from planners.objective import LearnedReward
from worldmodel.interface import State
from worldmodel.sequence_vae import SequenceVAE

SIDE_BY_SIDE = 50  # beliefs that the teacher decides about at once
BATCH = 256
RATE = 2e-3
CLIP = 100.0
HELD_OUT = 10  # every so many of the beliefs measure the error


@dataclass(frozen=True)
class Arguments:
    """Copy a planner into an actor by behaviour cloning: the cheapest way to decide at once what it searches for.

    The teacher decides about beliefs of the run's episodes; the actor learns to do the same. Kept in RUN/distilled;
    then there is the planner distilled for that run.
    """

    run: tyro.conf.Positional[Path]
    """Run folder, as `worldmodel train` wrote it."""
    teacher: str = "icem"
    """A planner, with numbers after a colon if need be: icem:candidates=64,iterations=3."""
    beliefs: int = 4000
    """Beliefs that the teacher decides about."""
    updates: int = 3000
    """Gradient steps of the actor."""
    hidden: int = 128
    """Width of its two hidden layers."""
    seed: int = 0
    """Decides everything random."""


def run(argv: list[str]) -> None:
    """Raises UserError, CheckpointError."""
    if not wants_help(argv):
        leading(argv, "worldmodel distil RUN [options]")
    arguments = tyro.cli(Arguments, prog="worldmodel distil", args=argv)
    for name, least in (("beliefs", HELD_OUT), ("updates", 1), ("hidden", 1)):
        came = getattr(arguments, name)
        check_config.require(came >= least, name, f"at least {least}", came)
    torch.set_num_threads(1)
    config, model = run_folder.load_model(arguments.run, torch.device("cpu"))
    states, actions = taught(arguments, config, model)
    print(f"{arguments.teacher} decided about {len(actions)} beliefs from {arguments.run}")
    numbers = ActorConfig(hidden=arguments.hidden)
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(arguments.seed)
        actor = policies.build_agent(numbers, model.sizes).actor
    error = distil(actor, states, actions, arguments)
    print(f"on decisions that it was not shown it is off by {error:.4f} (mean square; nats where actions are discrete)")
    policies.save(arguments.run, policies.DISTILLED, actor, numbers)
    print(f"wrote {arguments.run / policies.DISTILLED}")
    print(f"next: worldmodel evaluate {arguments.run} --planner distilled")


def taught(arguments: Arguments, config: TrainConfig, model: SequenceVAE) -> tuple[State, Tensor]:
    """Beliefs ``[rows, latent]`` and what the teacher does about them ``[rows, action]``."""
    rng = numpy_generator(arguments.seed, "beliefs")
    states = replayed_beliefs(model, arguments.run, config, arguments.beliefs, rng)
    states = states.map(lambda x: x[torch.from_numpy(rng.permutation(len(x))[: arguments.beliefs])])
    teacher = choose(arguments.teacher, config.planner)
    known = policies_for(teacher.name, arguments.run, config, model.sizes, torch.device("cpu"))
    generator = torch_generator(arguments.seed, "teacher")
    planner = make_planner(teacher, model, LearnedReward(model), generator, known)
    return states, decisions(planner, states, SIDE_BY_SIDE)


def distil(actor: Actor, states: State, actions: Tensor, arguments: Arguments) -> float:
    """Train ``actor``; the error on decisions that it was not shown."""
    held_out = torch.arange(len(actions)) % HELD_OUT == HELD_OUT - 1
    shown, copied = states.map(lambda x: x[~held_out]), actions[~held_out]
    optimizer = torch.optim.Adam(actor.parameters(), lr=RATE)
    generator = torch_generator(arguments.seed, "imitate")
    for number in range(arguments.updates):
        optimizer.param_groups[0]["lr"] = RATE * half_cosine(number / arguments.updates)
        rows = torch.randint(len(copied), (BATCH,), generator=generator)
        imitate(actor, optimizer, shown.map(lambda x, rows=rows: x[rows]), copied[rows], CLIP)
    with torch.no_grad():
        return float(mismatch(actor, states.map(lambda x: x[held_out]), actions[held_out]))
