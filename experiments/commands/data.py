"""`worldmodel data DATA|RUN`: what is stored; `import` from folders of .npz episodes and from runs; `export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from experiments import transfer
from experiments.collect_progress import CollectProgress
from experiments.commands.collect import describe_size, require_folder
from experiments.commands.leading import leading, wants_help
from experiments.data_source import Stored, open_stored
from experiments.errors import UserError
from experiments.histogram import histogram
from experiments.thumbnails import sheet
from worldmodel.data_folder import About, DataFolder
from worldmodel.npz_episodes import Layout
from worldmodel.replay import Replay

USAGE = (
    "worldmodel data DATA|RUN, worldmodel data import FOLDER|RUN --out DATA, worldmodel data export DATA --out FOLDER"
)
LINES = 8  # of the sheet of thumbnails
Place = Literal["led-to", "taken-at"]


@dataclass(frozen=True)
class Show:
    """What a data folder or a run's replay holds: episodes, lengths, returns, bytes, and a sheet of thumbnails.

    Two more commands: `worldmodel data import FOLDER|RUN --out DATA`, `worldmodel data export DATA --out FOLDER`.
    """

    path: tyro.conf.Positional[Path]
    """Data folder or run folder."""
    thumbnails: Path | None = None
    """Where the sheet goes, .png or .webp; thumbnails.webp in the folder if not given."""


@dataclass(frozen=True)
class Import:
    """Make a data folder of a folder of .npz episodes (PlaNet's and Dreamer's layout), or of those a run collected.

    Each file holds one episode: image [rows, height, width, channel] uint8, action [rows, action] in [-1, 1], choices
    as one-hot, reward [rows]; is_terminal or discount, is_first and state if there are any. The files may lie in
    folders train and test.
    """

    folder: tyro.conf.Positional[Path]
    """The folder of files, or a run folder."""
    out: Path
    """Data folder to make."""
    env: str | None = None
    """Environment that the episodes are of, if it is known here."""
    test_share: float = 0.1
    """Share of the episodes that are held out, unless the files lie in train and test."""
    actions: Place = "led-to"
    """Whether row t holds the action that led to image t, or that taken at image t (DreamerV3, most others)."""
    rewards: Place = "led-to"
    """The same for rewards and terminations."""
    resume: bool = False
    """Go on with what was begun with the same options."""


@dataclass(frozen=True)
class Export:
    """Write all episodes as .npz files, to folders train and test."""

    path: tyro.conf.Positional[Path]
    """Data folder or run folder."""
    out: Path
    """Folder to make."""


def run(argv: list[str]) -> None:
    """Raises UserError, DataError, ReplayError."""
    if argv[:1] == ["import"]:
        import_episodes(tyro.cli(Import, prog="worldmodel data import", args=argv[1:]))
    elif argv[:1] == ["export"]:
        export_files(tyro.cli(Export, prog="worldmodel data export", args=argv[1:]))
    else:
        if not wants_help(argv):
            leading(argv, USAGE)
        show(tyro.cli(Show, prog="worldmodel data", args=argv))


def import_episodes(arguments: Import) -> None:
    if (arguments.folder / "config.json").exists():
        described, add = of_run(arguments)
    else:
        described, add = of_files(arguments)
    require_folder(arguments.out, arguments.resume)
    print(describe_size(described, arguments.out))
    with CollectProgress(described.episodes, 0) as progress:
        data = add(telling(progress))
    print(f"imported {data.train.count('train')} episodes to train on and {data.test.count('train')} to test on")
    print(f"next: worldmodel doctor {arguments.out}; worldmodel train PRESET --data {arguments.out}")


def of_files(arguments: Import) -> tuple[About, Callable[[transfer.Told], DataFolder]]:
    """What there is, and the function that imports it."""
    files = transfer.find(arguments.folder, arguments.test_share)
    layout = Layout(arguments.actions == "taken-at", arguments.rewards == "taken-at")
    described = transfer.about(arguments.folder, files, layout, arguments.env)
    return described, lambda told: transfer.import_folder(files, arguments.out, described, layout, told)


def of_run(arguments: Import) -> tuple[About, Callable[[transfer.Told], DataFolder]]:
    """As `of_files`. Raises UserError for options that say what the run knows better."""
    if arguments.env is not None or (arguments.actions, arguments.rewards) != ("led-to", "led-to"):
        raise UserError(
            f"--env, --actions and --rewards are for files; {arguments.folder} is a run, which knows its environment "
            "and what its rows hold. Leave them out."
        )
    described = transfer.about_run(arguments.folder, arguments.test_share)
    return described, lambda told: transfer.import_run(arguments.folder, arguments.out, described, told)


def export_files(arguments: Export) -> None:
    stored = open_stored(arguments.path)
    if arguments.out.exists() and any(arguments.out.iterdir()):
        raise UserError(
            f"Episodes are exported to a folder of their own; {arguments.out} holds something. Take another."
        )
    total = sum(replay.count("train") for _, replay in replays(stored))
    with CollectProgress(total, 0) as progress:
        transfer.export_folder(stored, arguments.out, telling(progress))
    print(f"wrote {total} episodes to {arguments.out}")


def telling(progress: CollectProgress) -> transfer.Told:
    """Tell how it goes, on a terminal at every episode, elsewhere now and then."""

    def told(number: int, total: int, rows: int) -> None:
        progress.stepped(rows)
        if progress.live or number == total or number % max(1, total // 10) == 0:
            progress.stored(number, [])

    return told


def show(arguments: Show) -> None:
    stored, console = open_stored(arguments.path), Console(highlight=False)
    console.print(heading(arguments.path, stored), soft_wrap=True)
    console.print(table(stored))
    returns = stored.train.returns("train")
    if len(returns) == 0:
        console.print("There are no episodes to train on yet.")
        return
    console.print("returns of the train episodes, and how many have them")
    for line in histogram(returns):
        console.print(line, soft_wrap=True)
    path = arguments.thumbnails or arguments.path / "thumbnails.webp"
    write_sheet(stored, path)
    console.print(f"wrote {path}", soft_wrap=True)


def heading(path: Path, stored: Stored) -> str:
    """E.g. ``data/mine: pendulum, images of 32×32×3, 1 action and 2 state dimensions`` and where it comes from."""
    layout, about = stored.train.layout, stored.about
    size = "×".join(map(str, layout.observation_shape))
    what = "" if about is None else f"{about.env or 'no known environment'}, "
    actions = "choices" if about and about.discrete else "action"
    line = f"{path}: {what}images of {size}, {layout.action_size} {actions} and {layout.state_size} state dimensions"
    if about is None:
        return line
    missing = about.episodes - stored.train.position() - (stored.test.position() if stored.test else 0)
    by = f"policy {about.policy}, seed {about.seed}; worldmodel {about.versions.get('worldmodel-planners', '?')}"
    return f"{line}\n{by}" + (f"\n{missing} episodes are still missing: complete it with --resume" if missing else "")


def replays(stored: Stored) -> Iterator[tuple[str, Replay]]:
    yield "train", stored.train
    if stored.test is not None:
        yield "test", stored.test


def table(stored: Stored) -> Table:
    shown = Table("", "episodes", "rows", "steps each", "terminated", "return", "on disk", box=box.SIMPLE)
    for name, replay in replays(stored):
        lengths, returns = replay.lengths("train") - 1, replay.returns("train")
        if len(lengths) == 0:
            shown.add_row(name, "0", "0", "", "", "", megabytes(replay))
            continue
        steps = f"{lengths.min()}" + (f" to {lengths.max()}" if lengths.max() > lengths.min() else "")
        worth = f"{returns.mean():.4g} ± {returns.std():.2g}"
        ended = str(replay.terminations("train"))
        shown.add_row(name, str(len(lengths)), str(replay.rows), steps, ended, worth, megabytes(replay))
    return shown


def megabytes(replay: Replay) -> str:
    """What the files take; they are sparse, so that rows that were never written take nothing."""
    size = sum(file.stat().st_blocks * 512 for file in replay.folder.iterdir())
    return f"{size / 1e6:.1f} MB"


def write_sheet(stored: Stored, path: Path) -> None:
    if path.suffix not in (".png", ".webp"):
        raise UserError(f"Thumbnails are written as .png or .webp; {path} came. Name the file so.")
    sheet(list(stored.train.episodes("train", LINES))).save(path, lossless=True)
