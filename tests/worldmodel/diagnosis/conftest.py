"""Healthy episodes of three built-in tasks, by slowly varying random actions; faults are planted in copies."""

import pytest

import envs
from planners.episode import run_episode
from planners.random_policy import RandomPolicy
from worldmodel.episode import Episode

from .planted import generator

TASKS = {"pendulum": 10, "cartpole": 10, "planar": 24}


def played(task: str, count: int) -> list[Episode]:
    policy = RandomPolicy(envs.task(task).action_size, generator(), 0.5)
    return [run.episode for run in run_episode(None, policy, envs.make_vector(task, count, size=32), seed=0)]


@pytest.fixture(scope="session")
def healthy() -> dict[str, list[Episode]]:
    """By task; to be left as they are."""
    return {task: played(task, count) for task, count in TASKS.items()}
