"""The Triton kernel in Triton's interpreter, beside the compiled one: a second instance of its file."""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path
from types import ModuleType

from worldmodel.kernels.rssm_rollout import triton as launcher


@functools.cache
def kernel() -> ModuleType:
    """Triton asks the environment when it decorates, so the variable is set for just that long, and after Triton
    itself was imported: its own library is to stay compiled."""
    importlib.import_module("triton.language")
    path = Path(launcher.__file__).with_name("triton_kernel.py")
    spec = importlib.util.spec_from_file_location("interpreted_rollout_kernel", path)
    module = importlib.util.module_from_spec(spec)
    before = os.environ.get("TRITON_INTERPRET")
    os.environ["TRITON_INTERPRET"] = "1"
    try:
        spec.loader.exec_module(module)
    finally:
        if before is None:
            del os.environ["TRITON_INTERPRET"]
        else:
            os.environ["TRITON_INTERPRET"] = before
    return module
