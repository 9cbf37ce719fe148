"""What scores are measured against: random actions are the floor, planning on the true simulator is the reference.

`references.json` holds both for every built-in task, with the command that computed them.
"""

from __future__ import annotations

import json
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import envs
from experiments import provenance
from experiments.config import PlannerConfig
from experiments.errors import UserError, unknown
from experiments.shards import RANDOM, Shard, play_all
from worldmodel.durable import write_whole

FILE = Path(__file__).with_name("references.json")
HORIZONS = (15, 20, 25, 30)
CHOOSING = 1  # added to the seed where the horizon is chosen, so that the reference is not the luckiest of them
CHOOSING_EPISODES = 20
SMALLEST = 16  # pixels; nobody looks at the pictures here


@dataclass(frozen=True)
class Reference:
    """random, reference: mean returns. standard_error: of the latter. task: `fingerprint` of what was played."""

    env: str
    random: float
    reference: float
    standard_error: float
    horizon: int
    planner: dict[str, Any]
    episodes: int
    random_episodes: int
    seed: int
    command: str
    task: dict[str, Any]
    versions: dict[str, str]


def reference_for(env: str, file: Path = FILE) -> Reference | None:
    """What is stored for the task as it is now; None where there is nothing or it belongs to another version of it."""
    stored = read(file).get(env)
    return stored if stored and matches(stored.task, fingerprint(env)) else None


def read(file: Path = FILE) -> dict[str, Reference]:
    return {env: Reference(**values) for env, values in json.loads(file.read_bytes()).items()} if file.exists() else {}


def store(reference: Reference, file: Path = FILE) -> None:
    """Add it to ``file``, in place of an older one of the task."""
    known = read(file) | {reference.env: reference}
    content = {env: asdict(known[env]) for env in envs.names() if env in known}
    write_whole(file, (json.dumps(content, indent=1) + "\n").encode())


def compute(
    env: str,
    horizon: int | None = None,
    episodes: int = 40,
    random_episodes: int = 100,
    seed: int = 0,
    pool: Executor | None = None,
) -> Reference:
    """Play both. Without a ``horizon`` the best of `HORIZONS` is taken, chosen on other start states."""
    if env not in envs.names():
        raise unknown("environment", env, envs.names())
    if episodes < 2 or random_episodes < 1:
        raise UserError(f"At least 2 episodes and 1 random one are needed; {episodes} and {random_episodes} came.")
    horizon = horizon or best_horizon(env, seed + CHOOSING, pool)
    returns = play(env, reference_planner(horizon), seed, episodes, pool)
    floor = play(env, PlannerConfig(RANDOM), seed, random_episodes, pool)
    return Reference(
        env=env,
        random=float(np.mean(floor)),
        reference=float(np.mean(returns)),
        standard_error=float(np.std(returns, ddof=1) / np.sqrt(episodes)),
        horizon=horizon,
        planner={name: value for name, value in asdict(reference_planner(horizon)).items() if value is not None},
        episodes=episodes,
        random_episodes=random_episodes,
        seed=seed,
        command=f"worldmodel reference {env} --horizon {horizon} --episodes {episodes} "
        f"--random-episodes {random_episodes} --seed {seed}",
        task=fingerprint(env),
        versions=provenance.versions(),
    )


def reference_planner(horizon: int) -> PlannerConfig:
    """As in the definition of the score: CEM with 1000 candidates, 10 iterations, 100 elites."""
    return PlannerConfig("cem", horizon, iterations=10, candidates=1000, elites=100)


def best_horizon(env: str, seed: int, pool: Executor | None) -> int:
    means = {h: float(np.mean(play(env, reference_planner(h), seed, CHOOSING_EPISODES, pool))) for h in HORIZONS}
    print(f"{env}: mean return by horizon { ({h: round(mean, 2) for h, mean in means.items()}) }")
    return max(means, key=lambda h: means[h])


def play(env: str, planner: PlannerConfig, seed: int, episodes: int, pool: Executor | None) -> list[float]:
    return play_all(Shard(env, SMALLEST, None, planner, seed, 0, episodes), pool).returns


def fingerprint(env: str) -> dict[str, Any]:
    """The task's numbers, and the rewards along one fixed trajectory: what a reference belongs to."""
    task = envs.task(env)
    state = torch.from_numpy(task.initial(np.random.default_rng(0)))
    rewards = []
    for t in range(20):
        action = torch.sin(torch.arange(task.action_size, dtype=torch.float64) + 0.7 * t)
        state = task.step(state, action)
        rewards.append(round(float(task.reward(state)), 6))
    return {"task": repr(task), "rewards": rewards}


def matches(stored: dict[str, Any], now: dict[str, Any]) -> bool:
    """Rewards are compared with a tolerance: other machines round their sines otherwise."""
    return stored["task"] == now["task"] and np.allclose(stored["rewards"], now["rewards"], atol=1e-4)
