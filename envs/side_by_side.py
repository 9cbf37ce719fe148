"""Several environments as one: in this process one after the other, or in a process each, some at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv


def side_by_side(make: Callable[[], gym.Env[Any, Any]], count: int, processes: int = 1) -> VectorEnv[Any, Any, Any]:
    """``count`` environments that do not reset on their own, as in `envs.vector`; the same bits either way.

    processes: how many work at once. 1: in this process. More: each environment has a process (spawned, so that no
    graphics library is shared; pictures come through shared memory), which pays where a step takes milliseconds and
    there are cores. ``make`` must be picklable then.
    """
    if count < 1 or processes < 1:
        raise ValueError(f"count and processes must be at least 1, but came {count=}, {processes=}")
    makers, disabled = [make] * count, AutoresetMode.DISABLED
    if processes == 1 or count == 1:
        return SyncVectorEnv(makers, autoreset_mode=disabled)
    return AsyncVectorEnv(makers, context="spawn", autoreset_mode=disabled, max_concurrency=min(processes, count))
