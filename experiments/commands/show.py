"""`worldmodel show RUN [RUN ...]`: what models have learnt, as a page and as figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro

from experiments.commands.leading import leading, wants_help
from experiments.errors import UserError
from experiments.report.show_figures import write_figures
from experiments.report.show_page import page, sentences, show
from experiments.report.show_run import FEWEST
from worldmodel.durable import write_whole
from worldmodel.insight.embedding import require

USAGE = "worldmodel show RUN [RUN ...] --html FILE"


@dataclass(frozen=True)
class Arguments:
    """See what a model has learnt: latent maps, open-loop videos, plans, traversals, local linearity, training.

    From episodes that the run was not trained on. Several runs stand side by side.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, as `worldmodel train` wrote them."""
    html: Path | None = None
    """Where to write the page, one file that opens offline."""
    png: Path | None = None
    """Folder for figures, one of each picture and run."""
    episodes: int = 20
    """To be played and shown."""
    seed: int = 0
    """Of their start states, and of everything random in what is computed of them."""
    maps: tuple[Literal["tsne", "umap"], ...] = ()
    """Further layouts of the map; they take pip install "worldmodel-planners[maps]"."""


def run(argv: list[str]) -> None:
    """Raises UserError, CheckpointError."""
    if not wants_help(argv):
        leading(argv, USAGE)
    arguments = tyro.cli(Arguments, prog="worldmodel show", args=argv)
    check(arguments)
    torch.set_num_threads(1)
    runs = [show(folder, arguments.episodes, arguments.seed, arguments.maps, say) for folder in arguments.runs]
    for shown in runs:
        print("\n  ".join([f"{shown.seen.folder}:", *sentences(shown)]))
    if arguments.html:
        write_whole(arguments.html, page(runs).encode())
        print(f"wrote {arguments.html}, {arguments.html.stat().st_size / 1e6:.1f} MB")
    if arguments.png:
        for path in (path for shown in runs for path in write_figures(shown, arguments.png)):
            print(f"wrote {path}")


def check(arguments: Arguments) -> None:
    if not arguments.html and not arguments.png:
        raise UserError("A page or figures are written; neither --html FILE nor --png FOLDER came. Name one.")
    if arguments.episodes < FEWEST or arguments.seed < 0:
        raise UserError(
            f"--episodes must be at least {FEWEST} and --seed at least 0; "
            f"{arguments.episodes} and {arguments.seed} came."
        )
    for method in arguments.maps:
        try:
            require(method)
        except ImportError as error:
            raise UserError(str(error)) from error


def say(line: str) -> None:
    print(line, flush=True)
