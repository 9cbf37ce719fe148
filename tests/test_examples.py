"""The scripts in `examples/` run as they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

from experiments.cli import main

ROOT = Path(__file__).parents[1]


def test_insight(tmp_path: Path) -> None:
    run = tmp_path / "tiny"
    assert main(["train", "tiny", "--workers", "0", "--out", str(run)]) == 0
    command = [sys.executable, str(ROOT / "examples" / "insight.py"), str(run)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^(?:sin angle|cos angle|velocity) +is told by a line with R²", done.stdout, re.M)) == 3
    assert re.search(r"\d of 4 dimensions are active", done.stdout)
    assert re.search(r"up to \d+ of 15 steps ahead", done.stdout)
