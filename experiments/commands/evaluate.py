"""`worldmodel evaluate RUN`: play episodes, print a table, write JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from experiments import device, environment, run_folder
from experiments.commands.leading import leading, option, wants_help
from experiments.config import PlannerConfig
from experiments.evaluate import NONE, SIMULATOR, Evaluation, check, evaluate
from experiments.planner_choice import choose
from experiments.shards import RANDOM, On, processes
from worldmodel.durable import write_whole

USAGE = "worldmodel evaluate RUN [options]"


@dataclass(frozen=True)
class Chosen(PlannerConfig):
    """The planner's numbers; its name is given by --planner."""

    name: tyro.conf.Suppress[str] = "cem"


@dataclass(frozen=True)
class Arguments:
    """Play episodes with a planner, from start states that no training has seen.

    Without --planner it is the run's own planner; with it, that planner's defaults and the run's horizon. Other numbers
    are set by the planner's own options.
    """

    run: tyro.conf.Positional[Path]
    """Run folder, as `worldmodel train` wrote it."""
    planner: str | None = None
    """random, random-shooting, cem, icem, mppi, tdmpc, ilqr or gradient; where a run has learned them actor,
    distilled, and any search with +value or +policy. Numbers may follow: cem:horizon=4,iterations=8."""
    episodes: int = 20
    """How many; the interval is over these."""
    seed: int = 0
    """Of start states and planner."""
    on: On = "model"
    """What the planner looks ahead with: the run's model, or simulator, the true dynamics from the true state."""
    json: Path | None = None
    """Where to write the result."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes CUDA where there is one."""
    processes: int = 2
    """Side by side on a CPU, one thread each; the returns do not depend on it."""
    settings: Annotated[Chosen, tyro.conf.arg(name="")] = field(default_factory=Chosen)


def run(argv: list[str]) -> None:
    """Raises UserError, CheckpointError."""
    arguments = parse(argv)
    check(arguments.settings.name, arguments.episodes, arguments.seed)
    torch.set_num_threads(1)
    print(device.describe(device.choose(arguments.device)))
    found = play(arguments)
    Console().print(table([found]))
    print(explain(found))
    if arguments.json:
        write_whole(arguments.json, (json.dumps(asdict(found), indent=1) + "\n").encode())
        print(f"wrote {arguments.json}")


def parse(argv: list[str]) -> Arguments:
    """Defaults of the planner's numbers are those of the run."""
    if wants_help(argv[:1]):
        tyro.cli(Arguments, prog="worldmodel evaluate", args=["--help"])
    folder = Path(leading(argv, USAGE))
    own = run_folder.read_config(folder).planner
    planner = choose(option(argv, "--planner") or own.name, own, also=(RANDOM,))
    default = Arguments(folder, settings=Chosen(**asdict(planner)))
    return tyro.cli(Arguments, prog="worldmodel evaluate", args=argv, default=default)


def play(arguments: Arguments) -> Evaluation:
    planner = PlannerConfig(**asdict(arguments.settings))
    beside = arguments.processes if device.choose(arguments.device).type == "cpu" else 1
    with processes(beside) as pool:
        return evaluate(
            arguments.run,
            planner,
            arguments.episodes,
            arguments.seed,
            arguments.on,
            arguments.device,
            pool,
            beside,
        )


def table(evaluations: Sequence[Evaluation]) -> Table:
    """One line per evaluation."""
    shown = Table("planner", "on", "episodes", "return", "95 %", "score", "ms", box=box.SIMPLE)
    for one in evaluations:
        mean, bounds = f"{one.return_mean:.2f}", f"{one.return_low:.2f} to {one.return_high:.2f}"
        score = "?" if one.score is None else f"{one.score:.3f}"
        speed = "-" if one.model == NONE else f"{one.decision_ms:.1f}"
        on = one.model if one.model in (SIMULATOR, NONE) else "model"
        shown.add_row(one.planner, on, str(one.episodes), mean, bounds, score, speed)
    return shown


def explain(one: Evaluation) -> str:
    """What the score means, or why there is none."""
    if one.score is None and not environment.is_built_in(one.env):
        return f"No score: {one.env} has no reference, since its true dynamics cannot be planned on; returns only."
    if one.score is None:
        return (
            f"No score: references.json has no entry for {one.env} as it is now. "
            f"Compute one with `worldmodel reference {one.env}`."
        )
    return (
        f"score: 0 is random actions ({one.random:.2f}), 1 is CEM on the true dynamics ({one.reference:.2f}); "
        f"ms: of a decision, median, {one.batch} side by side"
    )
