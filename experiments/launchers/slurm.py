"""Jobs of Slurm, by submitit; with ``cluster=local`` the same jobs as processes of this machine, to try it out.

A job that Slurm preempts, or that runs out of time, is put back into the queue and does its work again, so work should
go on from where it was. What the jobs print lies in the folder given.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic

from experiments.errors import UserError, unknown
from experiments.launchers.interface import Done, Item, Result, WorkFailed

GENERIC = ("name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node")  # submitit's own words for any cluster
DEFAULTS: dict[str, Any] = {"name": "worldmodel", "timeout_min": 24 * 60, "cpus_per_task": 1}
REQUEUES = 100  # at most, of a job that runs out of time
POLL = 1  # seconds; a look at a file, `sacct` is asked once a minute


class Slurm:
    """Implements `experiments.launchers.interface.Launcher`.

    folder: for the jobs' files, seen by all nodes. options: `GENERIC` ones, and those of `sbatch` with underscores, as
    in ``partition`` and ``array_parallelism``.
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        import submitit

        options = DEFAULTS | options
        cluster = options.pop("cluster", "slurm")
        require(cluster)
        known = {*GENERIC, *submitit.SlurmExecutor._valid_parameters()}
        for name in set(options) - known:
            raise unknown("option of --launcher slurm", name, known)
        self._executor = submitit.AutoExecutor(folder, cluster=cluster, slurm_max_num_timeout=REQUEUES)
        try:
            self._executor.update_parameters(
                **{name if name in GENERIC else f"slurm_{name}": value for name, value in options.items()}
            )
        except AssertionError as error:  # what submitit raises for values of another type
            raise UserError(f"--launcher slurm needs numbers where sbatch does; {options} came. {error}") from error

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Done[Item, Result]:
        from submitit.helpers import as_completed

        with interruptible():
            jobs = self._executor.map_array(Requeued(work), items) if items else []
        item_of = {job.job_id: item for job, item in zip(jobs, items, strict=True)}
        try:
            for job in as_completed(jobs, poll_frequency=POLL):
                yield item_of[job.job_id], partial(fetch, job)
        finally:
            for job in jobs:
                if not job.done():
                    self._end(job)

    def _end(self, job: Any) -> None:
        """A process of ours is waited for; the end of Slurm's own takes up to a minute to be seen, and their runs are
        locked.
        """
        job.cancel(check=False)
        while self._executor.cluster == "local" and not job.done():
            time.sleep(POLL)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Processes started within can be interrupted, as their end needs, where this one ignores it and they would too: a
    shell's background jobs do. Whatever is handled here is not inherited, only what is ignored. Signals are the main
    thread's to set.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def fetch(job: Any) -> Any:
    """The job's result. Raises WorkFailed."""
    from submitit.core.utils import UncompletedJobError

    try:
        return job.result()
    except UncompletedJobError as error:
        said = (job.stderr() or f"no output, state {job.state}").strip().splitlines()
        raise WorkFailed(f"{said[-1]} (all of it: {job.paths.stderr})") from error


def require(cluster: str) -> None:
    if cluster not in ("slurm", "local"):
        raise UserError(f"--launcher slurm has cluster=slurm, the usual one, and cluster=local; {cluster} came.")
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise UserError(
            "--launcher slurm needs Slurm's sbatch and srun; they are not on this machine's PATH. Give the command on "
            "a login node, or try the same jobs on this machine with --launcher slurm:cluster=local."
        )


class Requeued(Generic[Item, Result]):
    """Work that begins anew, with the same item, where Slurm ends it too early; submitit asks for `checkpoint`."""

    def __init__(self, work: Callable[[Item], Result]) -> None:
        self._work = work

    def __call__(self, item: Item) -> Result:
        return self._work(item)

    def checkpoint(self, item: Item) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, item)
