"""The Triton kernel in Triton's interpreter, beside the compiled one: a second instance of its file."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from worldmodel.kernels.rssm_rollout import triton as launcher

FILE = Path(launcher.__file__).with_name("triton_kernel.py")


@functools.cache
def kernel() -> ModuleType:
    return load(FILE)


def load(path: Path) -> ModuleType:
    """Triton asks the environment when it decorates, so the variable is set for just that long, and after Triton
    itself was imported: its own library is to stay compiled."""
    importlib.import_module("triton.language")
    spec = importlib.util.spec_from_file_location("interpreted_rollout_kernel", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        spec.loader.exec_module(module)
    return module


def use(patch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Launches go to ``module``, with products in float32 (see `operand` in the kernel)."""
    constants = launcher.constants
    patch.setattr(launcher, "kernel", lambda: module)
    patch.setattr(launcher, "constants", lambda *arguments: {**constants(*arguments), "UPCAST": True})
