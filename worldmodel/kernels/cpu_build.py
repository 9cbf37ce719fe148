"""Builds the CPU kernels on first use, keeps each library in the user's cache folder, and loads it.

The library's name is a hash of the source, the flags, the compiler's version and the processor's instruction sets, so
a cache folder shared by different machines is safe. It is compiled to a file of its own and moved into place, so any
number of processes may build at once.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

HEADER = Path(__file__).with_name("panels.h")
# Not -ffast-math: it breaks the exponential's rounding trick and drops NaNs. These two only free the vectoriser.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread")
BUILD_SECONDS = 300
logger = logging.getLogger(__name__)


@functools.cache
def library(source: Path) -> ctypes.CDLL | None:
    """The kernel of one C++ file, or None where it cannot be built; the log says why, once."""
    found = compiler()
    if found is None:
        return None
    try:
        return load(source, found, cache_folder())
    except (OSError, subprocess.SubprocessError) as error:
        detail = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        logger.warning("%s takes the slower PyTorch code: %s failed: %s", source.parent.name, found, detail[0])
        return None


@functools.cache
def compiler() -> str | None:
    """``$CXX`` if set, else g++ or clang++, as found on the path."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        logger.warning("no C++ compiler (g++, clang++ or $CXX): planning on the CPU takes the slower PyTorch code")
    return found


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME`` or ``~/.cache``, then ``worldmodel``; a temporary folder where that cannot be written."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "worldmodel"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="worldmodel-"))
    return folder


def load(source: Path, compiler: str, folder: Path, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Build into ``folder`` unless it is there, and load. OSError or SubprocessError where that fails."""
    path = folder / f"{source.parent.name}_{fingerprint(source, compiler, flags)}.so"
    if not path.exists():
        build(source, compiler, flags, path)
    return ctypes.CDLL(str(path))


def build(source: Path, compiler: str, flags: tuple[str, ...], path: Path) -> None:
    handle, name = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        command = [compiler, *flags, str(source), "-o", name]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=BUILD_SECONDS)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def fingerprint(source: Path, compiler: str, flags: tuple[str, ...]) -> str:
    version = subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True, timeout=60).stdout
    parts = [source.read_text(), HEADER.read_text(), *flags, version, platform.machine(), instruction_sets()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def instruction_sets() -> str:
    """What ``-march=native`` depends on, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
