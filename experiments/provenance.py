"""Which code, on which machine, made a number."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

DISTRIBUTIONS = ("worldmodel-planners", "torch", "numpy", "gymnasium")


def versions() -> dict[str, str]:
    """Of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in DISTRIBUTIONS}}


def version(distribution: str) -> str:
    """``not installed`` for a checkout that is run as it is."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str | None:
    """The commit of the checkout this package runs from, ``-dirty`` appended where files differ; None elsewhere."""
    here = Path(__file__).parent
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None


def machine() -> str:
    """E.g. ``2 × AMD EPYC 7R13 (x86_64, Linux)``."""
    return f"{os.cpu_count()} × {processor()} ({platform.machine()}, {platform.system()})"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else "unknown processor"
