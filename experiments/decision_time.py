"""How long a decision takes: filtering one picture and planning, for one environment, on the same pictures for all.

On a CPU it is the CPU time of this process, which has one thread: what a quiet core takes, whoever else is at work.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments import environment
from experiments.budget import TooSmallError, budgeted, sized
from experiments.config import PlannerConfig
from experiments.policies import NO_POLICIES, Policies
from experiments.seeds import torch_generator, training_seed
from planners.episode import run_episode
from planners.interface import Plan, Planner
from planners.random_policy import RandomPolicy
from worldmodel.episode import Episode
from worldmodel.interface import WorldModel

DECISIONS = 20  # measured
WARM_UP = 2  # decisions before those, from the same pictures
CLOSE = 1.05  # a budget used to within this ratio is used
FASTEST = 8  # times more steps from one trial to the next
MOST_TRIALS = 16
LARGEST = 10**8  # model steps; nothing sensible is beyond


class Times(NamedTuple):
    """Milliseconds per decision."""

    median: float
    p90: float


def pictures(env: str, size: int) -> Episode:
    """The episode of random actions whose pictures every planner is timed on: always the same."""
    vector = environment.make(env, 1, size)
    policy = RandomPolicy(environment.shapes(env, size).action, torch_generator(0, "timing"), 0.9)
    return run_episode(None, policy, vector, training_seed(0, 0))[0].episode


@torch.no_grad()
def measure(planner: Planner, model: WorldModel, episode: Episode) -> Times:
    """Filter and plan along ``episode`` at batch 1, each plan the next one's warm start."""
    state, plan, seconds = model.initial(1), None, []
    device = state.state.stoch.device
    now = time.process_time if device.type == "cpu" else time.perf_counter
    for t in range(min(WARM_UP + DECISIONS, episode.rows)):
        action = torch.from_numpy(episode.action[t : t + 1]).to(device)
        picture = torch.from_numpy(episode.observation[t : t + 1]).to(device)
        started = now()
        state = model.filter(state, action, picture)
        plan = decided(planner.plan(state.state, plan))
        seconds.append(now() - started)
    measured = 1000 * np.array(seconds[WARM_UP:])
    return Times(float(np.median(measured)), float(np.quantile(measured, 0.9)))


def decided(answer: tuple[Tensor, Plan]) -> Plan:
    """Waits until a GPU has the action."""
    answer[0].cpu()
    return answer[1]


def fit_ms(
    config: PlannerConfig, model: WorldModel, ms: float, episode: Episode, policies: Policies = NO_POLICIES
) -> tuple[PlannerConfig, Times]:
    """``config`` with the largest search whose median decision was measured to take at most ``ms``, and its times.

    Raises TooSmallError.
    """
    found = largest_within(budgeted(config, model, policies), ms, partial(measure, model=model, episode=episode))
    if found is None:
        raise TooSmallError(
            f"The budget ms={ms:g} is too small for {config.name}: its smallest search takes longer on this machine. "
            "Take a larger budget or a shorter horizon."
        )
    return sized(config, found[0]), found[1]


def largest_within(planner: Planner, ms: float, timed: Callable[[Planner], Times]) -> tuple[Planner, Times] | None:
    """From the smallest search upwards, taking the time to grow no faster than in proportion; back where it did."""
    fitting = planner.with_budget(smallest_budget(planner))
    times, too_many = timed(fitting), LARGEST
    if times.median > ms:
        return None
    for _ in range(MOST_TRIALS):
        larger = next_larger(fitting, ms / times.median, too_many)
        if larger is None:
            break
        tried = timed(larger)
        if tried.median <= ms:
            fitting, times = larger, tried
        else:
            too_many = larger.model_steps
    return fitting, times


def next_larger(fitting: Planner, ratio: float, too_many: int) -> Planner | None:
    """About ``ratio`` times the model steps, fewer than ``too_many``; None where that is no larger search worth trying.

    Planners grow in steps of their own: by a candidate, or by a whole iteration.
    """
    steps = fitting.model_steps
    wanted = round(steps * min(ratio, FASTEST))
    if wanted >= too_many:
        wanted = round((steps * too_many) ** 0.5)
    if wanted < CLOSE * steps:
        return None
    while (larger := fitting.with_budget(wanted)).model_steps <= steps:
        wanted = 2 * wanted - steps
        if wanted >= too_many:
            return None
    return larger


def smallest_budget(planner: Planner) -> int:
    """Model steps of the smallest search there is; found by bisection, without searching."""

    def possible(steps: int) -> bool:
        try:
            planner.with_budget(steps)
        except ValueError:
            return False
        return True

    return 1 + bisect_left(range(1, LARGEST), True, key=possible)
