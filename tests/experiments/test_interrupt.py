"""Ctrl-C as a terminal sends it: to the whole group of processes, in the middle of a round."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.cli import main
from worldmodel.checkpoint import load_progress


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_both_processes_with_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "experiments.cli", "train", "tiny", "--out", str(folder)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is deaf to it, and so
    run = subprocess.Popen(  # would be its children
        [*command, "--rounds", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    assert run.stdout
    for line in run.stdout:
        if line.startswith("round 3/"):
            break
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=120)
    saved = load_progress(folder / "checkpoint")["updates"]
    assert run.returncode == 130
    assert err == f"Stopped. Go on from update {saved} with: worldmodel train tiny --resume --out {folder}\n"
    assert saved >= 8
    assert is_gone(run.pid)
    assert main(["evaluate", str(folder), "--processes", "1", "--episodes", "1"]) == 0


def is_gone(group: int, seconds: float = 10) -> bool:
    """Nobody of the group of processes is left, soon; multiprocessing's own tracker takes a moment."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
