"""Tasks of Ray: of the cluster at an address, or of one that is started on this machine and ends with the work."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from experiments.errors import UserError, unknown
from experiments.launchers.interface import Done, Item, Result, WorkFailed

RESOURCES = ("num_cpus", "num_gpus")  # of one item


class OnRay:
    """Implements `experiments.launchers.interface.Launcher`.

    options: ``address`` of a cluster, whose nodes have this package and see the same files; None takes RAY_ADDRESS or
    starts one here. ``num_cpus`` (1 if not given) and ``num_gpus``: what one item takes.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read at the import; nothing is reported unasked
        import ray  # noqa: F401 - missing packages are said at once

        for name in set(options) - {"address", *RESOURCES}:
            raise unknown("option of --launcher ray", name, ("address", *RESOURCES))
        self._address = options.get("address")
        self._resources = {name: options[name] for name in RESOURCES if name in options}

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Done[Item, Result]:
        import ray

        if not items:  # no cluster is started for nothing
            return
        connect(self._address)
        waiting: dict[Any, Item] = {}
        try:
            task = ray.remote(work).options(**{"num_cpus": 1} | self._resources)
            waiting |= {task.remote(item): item for item in items}
            while waiting:
                (done,), _ = ray.wait(list(waiting))
                yield waiting.pop(done), partial(fetch, done)
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)
            ray.shutdown()


def connect(address: str | None) -> None:
    """Raises UserError where no cluster answers."""
    import ray

    try:
        ray.init(address=address, logging_level=logging.WARNING)
    except (ConnectionError, ValueError) as error:
        raise UserError(
            f"--launcher ray:address=... names a cluster that is up; {address} came: {error}. Start one with "
            "`ray start --head`, or leave the address out to have one on this machine."
        ) from error


def fetch(reference: Any) -> Any:
    """The task's result. Raises what the work raised, or Ray's reason for its end."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise WorkFailed(f"{type(error.cause).__name__}: {error.cause}") from error
