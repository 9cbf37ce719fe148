"""`worldmodel collect ENV`: a data folder of episodes, to learn from without an environment."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from experiments import environment
from experiments.collect import RANDOM, Collecting, about, collect, player
from experiments.collect_progress import CollectProgress
from experiments.commands.leading import leading, wants_help
from experiments.errors import UserError
from worldmodel.data_folder import About, create

USAGE = "worldmodel collect ENV --out DATA [options]"


@dataclass(frozen=True)
class Arguments:
    """Collect episodes into a data folder. Stopped at any moment it goes on with --resume, to the same episodes."""

    env: tyro.conf.Positional[str]
    """Environment, as listed by `worldmodel envs`, or dmc:TASK, gym:ID, module:Class."""
    out: Path
    """Data folder to make."""
    policy: str = RANDOM
    """random, or RUN:planner, e.g. runs/mine:icem; RUN alone takes the planner that the run was configured with;
    or scattered: transitions from states all over, of the e2c tasks (their --size: 40, 48 or 80)."""
    episodes: int = 100
    """How many."""
    seed: int = 0
    """Of start states and policy."""
    size: int = 32
    """Side of the images in pixels."""
    test_share: float = 0.1
    """Share of the episodes that are held out for tests, in [0, 1)."""
    exploration: float = 0.9
    """Correlation in time of random actions, in [0, 1): high ones reach further."""
    action_noise: float = 0.3
    """Largest standard deviation of the noise on a planner's actions; the episodes are spread from none to this. Where
    actions are choices, the largest chance of a random one."""
    processes: int = 1
    """Batches of 20 episodes that are played at once, each in a process; the episodes are the same for any number."""
    resume: bool = False
    """Complete what was begun with the same options."""


def run(argv: list[str]) -> None:
    """Raises UserError, DataError, ReplayError; KeyboardInterrupt says how to go on."""
    if not wants_help(argv):
        leading(argv, USAGE)
    arguments = tyro.cli(Arguments, prog="worldmodel collect", args=argv)
    what = wanted(arguments)
    torch.set_num_threads(1)
    described = about(what)
    player(what)  # raises what it has to before there is a folder
    require_folder(arguments.out, arguments.resume)
    if said := environment.describe(what.env):
        print(said)
    print(describe_size(described, arguments.out))
    data = create(arguments.out, described)
    if data.episodes:
        print(f"continues after episode {data.episodes} of {what.episodes}")
    try:
        with CollectProgress(what.episodes, data.episodes) as progress:
            collect(what, data, progress, arguments.processes)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stored: {data.episodes} episodes. Go on with the same command and --resume."
        ) from None
    print(f"next: worldmodel data {arguments.out}; worldmodel train PRESET --data {arguments.out}")


def wanted(arguments: Arguments) -> Collecting:
    """Raises UserError for numbers that cannot be."""
    checks = (
        ("episodes", arguments.episodes >= 1, "at least 1"),
        ("seed", arguments.seed >= 0, "at least 0"),
        ("exploration", 0 <= arguments.exploration < 1, "in [0, 1)"),
        ("action_noise", arguments.action_noise >= 0, "at least 0"),
        ("processes", arguments.processes >= 1, "at least 1"),
    )
    for name, holds, rule in checks:
        if not holds:
            raise UserError(f"--{name.replace('_', '-')} must be {rule}; {getattr(arguments, name)} came.")
    given = vars(arguments) | {"env": environment.resolve(arguments.env)}
    return Collecting(**{name: given[name] for name in Collecting.__dataclass_fields__})


def require_folder(folder: Path, resume: bool) -> None:
    """Raises UserError where something is there already and --resume was not given, or the reverse."""
    there = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if there and not resume:
        raise UserError(
            f"Data needs a folder of its own; {folder} exists. Complete it with --resume, choose another with --out, "
            "or delete it."
        )
    if there and not (folder / "data.json").exists():
        raise UserError(f"Only a data folder is completed; {folder} holds no data.json. Choose another with --out.")


def describe_size(described: About, folder: Path) -> str:
    """E.g. ``data: at most 34,415,100 bytes on disk (34 MB) in data/mine; 19.2 GB free``."""
    size = described.bytes_needed
    existing = next(place for place in [folder, *folder.absolute().parents] if place.exists())
    free = shutil.disk_usage(existing).free
    height, width, _ = described.observation_shape
    return (
        f"data: at most {size:,} bytes on disk ({size / 1e6:.0f} MB, {described.rows + described.test_rows} rows of "
        f"{height}×{width} pixels) in {folder}; {free / 1e9:.1f} GB free"
    )
