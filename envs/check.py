"""The contract that an environment must keep, as checks that anybody can run on their own: `worldmodel check-env ID`.

Each check plays a few steps and says what it saw; where that breaks the contract, it says the likely cause.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import numpy as np

STEPS = 40  # of each trial
EPISODES = 3  # played to their ends
LARGE = 100.0  # a reward beyond this drowns the rest of the loss

Env = gym.Env[Any, Any]
Verdict = Literal["ok", "warning", "broken"]


class Finding(NamedTuple):
    """rule: what must hold. seen: the evidence. cause: the likely one, empty where the rule holds."""

    rule: str
    verdict: Verdict
    seen: str
    cause: str = ""


class Trial(NamedTuple):
    """What some steps gave, the reset first: observations ``[rows, ...]``, rewards and ends, without the reset's."""

    observations: np.ndarray
    rewards: np.ndarray
    states: list[Any]


def check(make: Callable[[], Env]) -> Iterator[Finding]:
    """All findings, one by one. make: builds the environment, with uint8 pictures and actions in [-1, 1].

    What an environment raises passes through: that is its own message.
    """
    env = make()
    try:
        first = env.reset(seed=0)[0]
        yield layout(env, first)
        yield contrast(first)
        one = play(env, 1, wandering(env))
        yield repeats_itself("the same seed and actions give the same, in a new environment", one, fresh(make))
        yield repeats_itself("and after another episode", one, play(env, 1, wandering(env)))
        yield seeds_differ(env)
        yield frames_follow_actions(env)
        yield from action_scale(env)
        yield frames_differ(one)
        yield rewards_fit(one)
        yield from ends(env)
        yield keeps_what_it_gave(env)
        yield speed(env)
    finally:
        env.close()


def play(env: Env, seed: int, actions: np.ndarray) -> Trial:
    """Reset and take ``actions [steps, action]``, or as many as the episode has."""
    observation, info = env.reset(seed=seed)
    observations, rewards, states = [np.array(observation)], [], [info.get("state")]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        observations.append(np.array(observation))
        rewards.append(float(reward))
        states.append(info.get("state"))
        if terminated or truncated:
            break
    return Trial(np.stack(observations), np.array(rewards), states)


def fresh(make: Callable[[], Env]) -> Trial:
    env = make()
    try:
        return play(env, 1, wandering(env))
    finally:
        env.close()


def wandering(env: Env, seed: int = 0, steps: int = STEPS) -> np.ndarray:
    """Random actions ``[steps, action]``; one-hot where a choice is asked for."""
    rng, width = np.random.default_rng(seed), _width(env)
    if getattr(env, "discrete", False):
        return np.eye(width, dtype=np.float32)[rng.integers(width, size=steps)]
    return rng.uniform(-1, 1, (steps, width)).astype(np.float32)


def layout(env: Env, first: np.ndarray) -> Finding:
    rule, shape = "one image layout: uint8 [height, width, 1 or 3], square, as the space says", np.shape(first)
    told = env.observation_space.shape
    fits = len(shape) == 3 and shape[0] == shape[1] and shape[-1] in (1, 3) and first.dtype == np.uint8
    if fits and shape == told:
        return Finding(rule, "ok", f"{shape} uint8")
    cause = (
        "channels come first: transpose to [height, width, channel]"
        if shape and shape[0] in (1, 3)
        else ("the observation is not what observation_space says, or is no picture")
    )
    return Finding(rule, "broken", f"{shape} {getattr(first, 'dtype', type(first).__name__)}; space {told}", cause)


def contrast(first: np.ndarray) -> Finding:
    rule, low, high = "pictures use the range 0 to 255", int(np.min(first)), int(np.max(first))
    if high <= 1:
        return Finding(rule, "broken", f"{low} to {high}", "floats in [0, 1] were cast to uint8: multiply by 255 first")
    if high - low < 16:
        return Finding(rule, "broken", f"{low} to {high}", "nothing is drawn, or all in one colour")
    return Finding(rule, "ok", f"{low} to {high}")


def repeats_itself(rule: str, one: Trial, other: Trial) -> Finding:
    steps = min(len(one.rewards), len(other.rewards))
    for t in range(steps + 1):
        if (one.observations[t] != other.observations[t]).any():
            return Finding(rule, "broken", f"pictures differ from step {t} on", _cause_of_chance(rule, t))
        if t and one.rewards[t - 1] != other.rewards[t - 1]:
            return Finding(rule, "broken", f"rewards differ at step {t}", _cause_of_chance(rule, t))
    if len(one.rewards) != len(other.rewards):
        return Finding(rule, "broken", "episodes end at different steps", _cause_of_chance(rule, 1))
    return Finding(rule, "ok", f"{steps} steps alike, to the bit")


def _cause_of_chance(rule: str, step: int) -> str:
    if "another episode" in rule:
        return "reset() leaves something of the last episode, or does not pass seed on to super().reset(seed=seed)"
    where = "reset()" if step == 0 else "step()"
    return f"{where} draws from random or numpy.random; draw from self.np_random, which reset(seed=...) seeds"


def seeds_differ(env: Env) -> Finding:
    rule = "start states depend on the seed"
    firsts = [np.array(env.reset(seed=seed)[0]) for seed in range(4)]
    different = sum((first != firsts[0]).any() for first in firsts[1:])
    if different:
        return Finding(rule, "ok", f"{different} of 3 other seeds start with another picture")
    return Finding(
        rule, "warning", "4 seeds, one first picture", "all episodes start alike; a model sees more if they do not"
    )


def frames_follow_actions(env: Env) -> Finding:
    rule = "pictures follow the actions"
    for number, (low, high) in enumerate(extremes(env)):
        pushed, pulled = play(env, 2, low).observations, play(env, 2, high).observations
        rows = min(len(pushed), len(pulled))
        apart = (pushed[:rows] != pulled[:rows]).reshape(rows, -1).any(1)
        if apart[1:].any():
            continue
        return Finding(
            rule,
            "broken",
            f"opposite actions in dimension {number} give the same {rows} pictures",
            "step() does not use that action, or what it moves is not drawn, or is drawn too small to be seen",
        )
    return Finding(rule, "ok", "opposite actions lead to different pictures, in each dimension")


def extremes(env: Env) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each dimension two opposite sequences of actions; for choices, each choice against the first."""
    width = _width(env)
    if getattr(env, "discrete", False):
        for choice in range(1, width):
            yield tuple(np.tile(np.eye(width, dtype=np.float32)[i], (STEPS, 1)) for i in (0, choice))  # type: ignore[misc]
        return
    for dimension in range(width):
        push = np.zeros((STEPS, width), dtype=np.float32)
        push[:, dimension] = 1
        yield -push, push


def action_scale(env: Env) -> Iterator[Finding]:
    """Half an action must do something else than a whole one."""
    if getattr(env, "discrete", False):
        return
    rule, clipped = "actions are scaled: half of one does less than all of it", []
    for number, (_, high) in enumerate(extremes(env)):
        whole, half = play(env, 3, high), play(env, 3, high / 2)
        rows = min(len(whole.observations), len(half.observations))
        if (whole.observations[:rows] == half.observations[:rows]).all() and (
            whole.rewards[: rows - 1] == half.rewards[: rows - 1]
        ).all():
            clipped.append(number)
    if clipped:
        yield Finding(
            rule,
            "warning",
            f"no difference in dimensions {clipped}",
            "the action space is wider than what the environment acts on: give it the limits at which it clips",
        )
    else:
        yield Finding(rule, "ok", "in each dimension")


def frames_differ(one: Trial) -> Finding:
    rule = "pictures change from step to step"
    same = float(np.mean([(a == b).all() for a, b in zip(one.observations, one.observations[1:], strict=False)]))
    if same > 0.5:
        cause = "a step is too short to be seen: repeat actions (option repeat=2 or more), or draw larger"
        return Finding(rule, "warning", f"{same:.0%} are as the one before", cause)
    return Finding(rule, "ok", f"{same:.0%} are as the one before")


def rewards_fit(one: Trial) -> Finding:
    rule = "rewards are finite and of moderate size"
    if not np.isfinite(one.rewards).all():
        step = int(np.flatnonzero(~np.isfinite(one.rewards))[0]) + 1
        return Finding(
            rule, "broken", f"{one.rewards[step - 1]} at step {step}", "a division by zero, or a log of zero"
        )
    low, high = float(one.rewards.min()), float(one.rewards.max())
    if max(-low, high) > LARGE:
        cause = "scale rewards to about [0, 1]; the loss weighs reward errors against pixel errors"
        return Finding(rule, "warning", f"{low:.3g} to {high:.3g}", cause)
    return Finding(rule, "ok", f"{low:.3g} to {high:.3g}")


def ends(env: Env) -> Iterator[Finding]:
    """Whole episodes of random actions, and how they end."""
    limit = int(getattr(env, "episode_steps", 1000))
    found = [episode_end(env, seed, limit) for seed in range(EPISODES)]
    lengths = [length for length, _, _ in found]
    rule = f"an episode ends by the {limit}th step"
    if any(not (terminated or truncated) for _, terminated, truncated in found):
        yield Finding(
            rule, "broken", f"{limit} steps and no end", "truncated is never true: count steps, cut the episode"
        )
        return
    yield Finding(rule, "ok", f"after {', '.join(map(str, lengths))} steps")
    rule = "terminated is an end of the task's own, truncated is the clock's"
    if any(terminated and truncated for _, terminated, truncated in found):
        yield Finding(rule, "broken", "both at once", "a time limit sets terminated too; it must set truncated alone")
    elif all(terminated for _, terminated, _ in found) and len(set(lengths)) == 1 and lengths[0] > 1:
        cause = "this looks like a time limit given as terminated: the model would learn that the world ends there"
        yield Finding(rule, "warning", f"{EPISODES} episodes terminated, each after {lengths[0]} steps", cause)
    else:
        yield Finding(rule, "ok", f"{sum(terminated for _, terminated, _ in found)} of {EPISODES} were terminated")


def episode_end(env: Env, seed: int, limit: int) -> tuple[int, bool, bool]:
    """Steps taken, terminated, truncated."""
    env.reset(seed=seed)
    for count, action in enumerate(wandering(env, seed, limit), start=1):
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            return count, bool(terminated), bool(truncated)
    return limit, False, False


def keeps_what_it_gave(env: Env) -> Finding:
    rule = "pictures that were given out do not change later"
    first = env.reset(seed=0)[0]
    kept = np.array(first)
    for action in wandering(env, steps=3):
        if any(env.step(action)[2:4]):
            break
    if (kept != first).any():
        return Finding(rule, "broken", "the first picture changed with the next steps", "return a copy: picture.copy()")
    return Finding(rule, "ok", "after 3 steps")


def speed(env: Env) -> Finding:
    env.reset(seed=0)
    started, count = time.process_time(), 0
    for action in wandering(env):
        count += 1
        if any(env.step(action)[2:4]):
            break
    rate = count / max(time.process_time() - started, 1e-9)
    slow = "collecting will take longer than learning: use a simpler picture, or --envs with several cores"
    return Finding("steps per CPU second", "ok" if rate > 50 else "warning", f"{rate:,.0f}", "" if rate > 50 else slow)


def _width(env: Env) -> int:
    return int(env.action_space.shape[0])  # type: ignore[index]
