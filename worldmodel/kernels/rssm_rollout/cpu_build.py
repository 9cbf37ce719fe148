"""Builds the CPU kernel on first use, keeps the library in the user's cache folder, and loads it.

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

SOURCE = Path(__file__).with_name("cpu_kernel.cpp")
# Not -ffast-math: it breaks the exponential's rounding trick and drops NaNs. These two only free the vectoriser.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread")
BUILD_SECONDS = 300
logger = logging.getLogger(__name__)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The kernel, or None where it cannot be built; the log says why, once."""
    compiler = find_compiler()
    if compiler is None:
        logger.warning("no C++ compiler (g++, clang++ or $CXX): roll-outs on the CPU take the slower PyTorch code")
        return None
    try:
        return load(compiler, cache_folder())
    except (OSError, subprocess.SubprocessError) as error:
        detail = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        logger.warning("roll-outs on the CPU take the slower PyTorch code: %s failed: %s", compiler, detail[0])
        return None


def find_compiler() -> str | None:
    """``$CXX`` if set, else g++ or clang++, as found on the path."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    return next((path for name in names if (path := shutil.which(name))), None)


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME`` or ``~/.cache``, then ``worldmodel``; a temporary folder where that cannot be written."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "worldmodel"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="worldmodel-"))
    return folder


def load(compiler: str, folder: Path, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Build into ``folder`` unless it is there, and load. OSError or SubprocessError where that fails."""
    path = folder / f"rssm_rollout_{fingerprint(compiler, flags)}.so"
    if not path.exists():
        build(compiler, flags, path)
    return declare(ctypes.CDLL(str(path)))


def build(compiler: str, flags: tuple[str, ...], path: Path) -> None:
    handle, name = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        command = [compiler, *flags, str(SOURCE), "-o", name]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=BUILD_SECONDS)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def fingerprint(compiler: str, flags: tuple[str, ...]) -> str:
    version = subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True, timeout=60).stdout
    parts = [SOURCE.read_text(), *flags, version, platform.machine(), instruction_sets()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def instruction_sets() -> str:
    """What ``-march=native`` depends on, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def declare(kernel: ctypes.CDLL) -> ctypes.CDLL:
    for name in ("packed_size", "scratch_size"):
        getattr(kernel, name).restype = ctypes.c_int64
        getattr(kernel, name).argtypes = [ctypes.c_int64] * 5
    kernel.pack_weights.restype = None
    kernel.pack_weights.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * 2
    kernel.rollout.restype = None
    kernel.rollout.argtypes = [ctypes.c_void_p]
    return kernel
