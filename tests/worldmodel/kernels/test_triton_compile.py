"""Ahead-of-time compilation of the Triton kernel: what the compiler makes of it for GPUs that are not here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason='triton comes with pip install ".[dev]" on Linux')

QUICK = [(90, "bf16", "narrow"), (80, "tf32", "narrow")]
MATRIX = [(c, p, w) for c in (80, 90, 100) for p in ("bf16", "tf32") for w in ("narrow", "wide")]
CASES = [pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow) for case in MATRIX]


@pytest.mark.parametrize(("capability", "precision", "width"), CASES)
def test_compiles_without_spills(capability, precision, width):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.worldmodel.kernels.compile_ahead", str(capability), precision, width]
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [*command, "sampled"], cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["stack"] == counts["STL"] == counts["LDL"] == 0
    assert counts["registers"] <= 255
    assert counts["shared"] <= 100_000
    assert counts["HMMA"] + counts["HGMMA"] > 0
    assert counts["LDGSTS"] > 0
