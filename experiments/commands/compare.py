"""`worldmodel compare RUN [RUN ...]`: planners at equal budgets, as a table, as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import torch
import tyro
from rich.console import Console
from rich.table import Table

from experiments import device
from experiments.budget import parse_budget
from experiments.commands.leading import leading, wants_help
from experiments.compare import Request, compare
from experiments.comparison import Comparison, Row, to_json
from experiments.report.compare_page import page
from experiments.shards import processes
from worldmodel.durable import write_whole

USAGE = "worldmodel compare RUN [RUN ...] [options]"
DEFAULT_BUDGETS = ("steps=20000",)


@dataclass(frozen=True)
class Arguments:
    """Compare planners on trained runs: same checkpoint, same start states, equal budgets, paired intervals.

    Finished cells (run, planner, seed, budget) are kept in RUN/compare: a comparison that was stopped goes on with the
    same command, and a longer one plays what is new. A planner that does not fit into one of several budgets is left
    out there.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, as `worldmodel train` wrote them."""
    planners: tuple[str, ...] = ()
    """random-shooting cem icem mppi ilqr gradient if none is named, as far as the run's actions allow. Each with its
    defaults and the run's horizon (the run's own planner with the run's numbers). Other numbers after a colon:
    cem:iterations=4,colour=1.5."""
    budget: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Of one decision: steps=20000 (model steps, the default) or ms=50 (milliseconds, one environment at a time). Give
    it several times for the picture of return against budget."""
    episodes: int = 20
    """For each seed."""
    seeds: tuple[int, ...] = (0,)
    """Of start states and planners."""
    ladder: bool = False
    """Also climb the error ladder with each run's best planner: does the planner, the dynamics, the reward head or the
    encoder lose the return?"""
    json: Path | None = None
    """Where to write everything."""
    html: Path | None = None
    """Where to write the page, one file that opens offline."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """auto takes CUDA where there is one; planning for few environments is quicker on a CPU."""
    workers: int = 1
    """Processes side by side, one thread each; the returns do not depend on it, and times are taken before."""


def run(argv: list[str]) -> None:
    """Raises UserError, CheckpointError; KeyboardInterrupt says how to go on."""
    if not wants_help(argv):
        leading(argv, USAGE)
    arguments = tyro.cli(Arguments, prog="worldmodel compare", args=argv)
    torch.set_num_threads(1)
    where = device.choose(arguments.device)
    print(device.describe(where))
    try:
        with processes(arguments.workers) as pool:
            request = request_of(arguments, "cuda" if where.type == "cuda" else "cpu")
            found = compare(request, pool, arguments.workers, say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Finished cells are kept: the same command goes on.") from None
    tell(found, arguments)


def request_of(arguments: Arguments, where: Literal["cpu", "cuda"]) -> Request:
    return Request(
        runs=arguments.runs,
        planners=arguments.planners,
        budgets=tuple(parse_budget(text) for text in arguments.budget or DEFAULT_BUDGETS),
        episodes=arguments.episodes,
        seeds=arguments.seeds,
        ladder=arguments.ladder,
        device=where,
    )


def say(line: str) -> None:
    print(line, flush=True)


def tell(found: Comparison, arguments: Arguments) -> None:
    for (model, budget), rows in groupby(found.rows, key=lambda row: (row.model, row.budget)):
        Console().print(table(f"{model} at {budget}", list(rows)))
    for sentence in found.left_out:
        print(f"left out: {sentence}")
    for name, ladder in found.ladders.items():
        print("\n  ".join([f"{name}, {ladder.planner}: {ladder.words[0]}", *ladder.words[1:]]))
    content = to_json(found)
    if arguments.json:
        write_whole(arguments.json, (json.dumps(content, indent=1) + "\n").encode())
        print(f"wrote {arguments.json}")
    if arguments.html:
        write_whole(arguments.html, page(found).encode())
        print(f"wrote {arguments.html}")


def table(title: str, rows: Sequence[Row]) -> Table:
    """One line per planner."""
    shown = Table("planner", "return", "95 %", "score", "against best", "ms", title=title, title_justify="left")
    for row in rows:
        score = "?" if row.score is None else f"{row.score:.3f}"
        versus = row.versus
        against = "best" if versus is None else f"{versus.mean:.2f} ({versus.low:.2f} to {versus.high:.2f})"
        interval = f"{row.return_low:.2f} to {row.return_high:.2f}"
        shown.add_row(row.planner, f"{row.return_mean:.2f}", interval, score, against, f"{row.decision_ms:.1f}")
    return shown
