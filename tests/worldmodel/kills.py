"""Killing a child process in the middle of its work, many times for the price of one import of torch."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

Say = Callable[[int], object]


def run_apart(module: str, function: str, *arguments: str) -> None:
    """Call ``function(*arguments)`` in a new process, which may fork as the process of the tests may not."""
    code = f"import sys; from {module} import {function}; {function}(*sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def killed_during(work: Callable[[Say], None], after: int, delay: float) -> list[int]:
    """Fork a child that works on and on, kill it ``delay`` seconds after its ``after``-th number; all that it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(lambda number: os.write(writing, b"%d\n" % number))
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = [int(pipe.readline()) for _ in range(after)]
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        said += map(int, pipe)
    os.waitpid(child, 0)
    return said
