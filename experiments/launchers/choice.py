"""Launchers as they are named on the command line: ``processes``, ``slurm:partition=cpu``, ``ray:address=auto``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from experiments.errors import UserError, unknown
from experiments.launchers.interface import Launcher
from experiments.launchers.processes import Processes

PACKAGES = {"slurm": "submitit", "ray": "ray"}  # each comes with the extra of the launcher's name


def choose(text: str, processes: int | None, folder: Path) -> Launcher:
    """The launcher that ``text`` names. processes: of ``processes`` alone. folder: for what others write.

    Raises UserError for a name, an option or a machine that it cannot be with.
    """
    name, _, rest = text.partition(":")
    options = dict(option(part, text) for part in rest.split(",") if part)
    if name not in ("processes", *PACKAGES):
        raise unknown("launcher", name, ("processes", *PACKAGES))
    if name == "processes":
        return here(processes, options)
    if processes is not None:
        raise UserError(f"--processes is for --launcher processes; {processes} came with {name}, which sees to that.")
    require_package(name)
    if name == "slurm":
        from experiments.launchers.slurm import Slurm

        return Slurm(folder, options)
    from experiments.launchers.on_ray import OnRay

    return OnRay(options)


def here(processes: int | None, options: dict[str, Any]) -> Launcher:
    if options:
        raise UserError(f"--launcher processes has no options; {options} came. Give --processes their number.")
    if processes is not None and processes < 1:
        raise UserError(f"--processes must be at least 1; {processes} came.")
    return Processes(processes or 1)


def option(part: str, text: str) -> tuple[str, int | float | str]:
    """``mem_gb=8`` -> ``("mem_gb", 8)``."""
    name, equals, value = part.partition("=")
    if not equals:
        raise UserError(f"Options of a launcher are as in slurm:partition=cpu,mem_gb=8; '{part}' came in '{text}'.")
    for number in (int, float):
        try:
            return name.strip().replace("-", "_"), number(value)
        except ValueError:
            continue
    return name.strip().replace("-", "_"), value


def require_package(name: str) -> None:
    if importlib.util.find_spec(PACKAGES[name]) is None:
        raise UserError(
            f"--launcher {name} needs the package {PACKAGES[name]}, which is not installed: "
            f'pip install "worldmodel-planners[{name}]"'
        )
