"""Work to launch; nothing is imported here that takes its time in each process."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any


def inverse(number: int) -> tuple[float, int]:
    """And the process that found it."""
    return 1 / number, os.getpid()


def once_too_early(folder: Path) -> str:
    """Is ended as a job that Slurm preempts, the first time."""
    begun = folder / "begun"
    if begun.exists():
        return "went on"
    begun.touch()
    os.kill(os.getpid(), signal.SIGUSR2)
    time.sleep(60)
    return "was not ended"


def first_alone(folder: Path) -> None:
    """Whoever comes first ends when there is a second, which stays."""
    try:
        (folder / "first").touch(exist_ok=False)
    except FileExistsError:
        (folder / "second").touch()
        time.sleep(300)
    while not (folder / "second").exists():
        time.sleep(0.05)


def small_preset() -> Any:
    """In place of the preset ``dmc``."""
    from experiments.config import PlannerConfig
    from experiments.presets import PRESETS

    search = PlannerConfig("icem", 3, candidates=12, iterations=2, elites=2)  # 8 are the actor's
    return replace(PRESETS["tiny"], env="dmc:pendulum-swingup", afresh=True, collect=search, planner=search)


def play_small(cell: Any) -> Any:
    """A cell of the pixel-control benchmark with the networks of the preset ``tiny``, in whatever process."""
    from experiments import dmc_cells
    from experiments.presets import PRESETS

    PRESETS["dmc"] = small_preset()
    return dmc_cells.play(cell)
