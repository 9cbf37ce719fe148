"""The one loop that collects and evaluates: filter, plan, act; batched over environments."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Generator, Tensor

from planners.categorical import one_hot
from planners.interface import Plan, Planner
from worldmodel.episode import Episode
from worldmodel.interface import Belief, KnowsState, State, WorldModel

Progress = Callable[[int, Belief, Plan], None]
Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]  # as `VectorEnv.step` returns it


class Run(NamedTuple):
    """One finished episode and what the planner thought of it.

    value: ``[decisions]``, predicted return at each decision; NaN where the planner predicts none. Decision t follows
        row t of the episode.
    seconds: ``[decisions]``, wall time of filtering and planning, for the whole batch of environments.
    """

    episode: Episode
    value: np.ndarray
    seconds: np.ndarray


def run_episode(
    model: WorldModel | None,
    planner: Planner,
    envs: VectorEnv,
    seed: int,
    noise_std: float | Sequence[float] = 0.0,
    generator: Generator | None = None,
    sample: bool = False,
    progress: Progress | None = None,
) -> list[Run]:
    """One episode in each of ``envs``, in their order.

    model: None for a planner that needs no belief (`RandomPolicy`); it is given a state of width 0. A model that
    `KnowsState` is told the true state instead of filtering images.
    seed: of the environments' resets. noise_std: of normal noise added to the actions, one for all
    environments or one each; the sum is clamped to
    [-1, 1]; the filter sees what was executed. Of a model with discrete actions it is the chance that the action is
    replaced by one drawn at random. sample: whether the filter samples its posterior rather than taking the
    mean. Both draw from ``generator``, which they need.
    progress: called after every decision with its number (from 0), the belief and the plan.

    ``envs`` must not reset on their own (`gymnasium.vector.AutoresetMode.DISABLED`), or the last observation is lost.
    Those that finish early are started again and what follows is thrown away, so that the batch can go on.
    """
    std = np.broadcast_to(np.asarray(noise_std, dtype=np.float32), envs.num_envs).copy()
    _check_arguments(envs, std, generator, sample)
    observation, info = envs.reset(seed=seed)
    action_size = gymnasium.spaces.flatdim(envs.single_action_space)
    recording = Recording(envs.num_envs, observation, action_size, info)
    belief = model.initial(envs.num_envs) if model else _no_belief(envs.num_envs)
    action = belief.state.stoch.new_zeros(envs.num_envs, action_size)
    plan: Plan | None = None
    decision = 0
    while True:
        started = time.perf_counter()
        if model:
            belief = _filtered(model, belief, action, observation, info, generator if sample else None)
        action, plan = planner.plan(belief.state, plan)
        action = _explored(action, std, generator, model is not None and model.sizes.discrete)
        executed = action.detach().cpu().numpy().astype(np.float32)
        seconds = time.perf_counter() - started
        if progress:
            progress(decision, belief, plan)
        step = envs.step(executed)
        recording.add(executed, step, plan.value, seconds)
        if recording.finished.all():
            return recording.runs()
        _restart(envs, step)
        observation, info, decision = step[0], step[4], decision + 1


class Recording:
    """Collects the rows of a batch of episodes, of each until it ends. Row 0 is the reset."""

    def __init__(self, count: int, observation: np.ndarray, action_size: int, info: dict[str, Any]):
        nothing = np.zeros(count, dtype=np.float32)
        self.finished = np.zeros(count, dtype=bool)
        self.length = np.zeros(count, dtype=int)  # steps taken
        self.observations, self.actions = [observation], [np.zeros((count, action_size), dtype=np.float32)]
        self.rewards, self.terminated = [nothing], [self.finished.copy()]
        self.states = [_true_state(info, count)]
        self.values: list[np.ndarray] = []
        self.seconds: list[float] = []

    def add(self, action: np.ndarray, step: Step, value: Tensor, seconds: float) -> None:
        """The step that ``action`` led to, and the value and the time of the decision for it."""
        observation, reward, terminated, truncated, info = step
        self.observations.append(observation)
        self.actions.append(action)
        self.rewards.append(np.asarray(reward, dtype=np.float32))
        self.terminated.append(np.asarray(terminated, dtype=bool))
        self.states.append(_true_state(info, len(action)))
        self.values.append(value.detach().cpu().numpy())
        self.seconds.append(seconds)
        self.length += ~self.finished
        self.finished = self.finished | terminated | truncated

    def runs(self) -> list[Run]:
        return [self._run(i, steps) for i, steps in enumerate(self.length.tolist())]

    def _run(self, i: int, steps: int) -> Run:
        def rows(history: list[np.ndarray], count: int) -> np.ndarray:
            return np.stack([row[i] for row in history[:count]])

        episode = Episode(
            observation=rows(self.observations, steps + 1),
            action=rows(self.actions, steps + 1),
            reward=rows(self.rewards, steps + 1),
            terminated=rows(self.terminated, steps + 1),
            is_first=np.arange(steps + 1) == 0,
            state=rows(self.states, steps + 1),
        )
        return Run(episode, rows(self.values, steps), np.array(self.seconds[:steps]))


def _check_arguments(envs: VectorEnv, std: np.ndarray, generator: Generator | None, sample: bool) -> None:
    mode = envs.metadata.get("autoreset_mode")
    if getattr(mode, "name", mode) != "DISABLED":
        raise ValueError(
            f"Environments must not reset on their own; autoreset_mode is {mode}. "
            "Make them with gymnasium.vector.AutoresetMode.DISABLED."
        )
    if (std.any() or sample) and generator is None:
        raise ValueError(f"noise_std={std.tolist()} and sample={sample} need a torch.Generator to draw from; pass one.")


def _restart(envs: VectorEnv, step: Step) -> None:
    _, _, terminated, truncated, _ = step
    if (ended := terminated | truncated).any():
        envs.reset(options={"reset_mask": ended})


@torch.no_grad()
def _filtered(
    model: WorldModel,
    belief: Belief,
    action: Tensor,
    observation: np.ndarray,
    info: dict[str, Any],
    generator: Generator | None,
) -> Belief:
    if isinstance(model, KnowsState):
        return model.believe(info["state"])
    stoch = belief.state.stoch
    image = torch.as_tensor(observation, device=stoch.device)
    return model.filter(belief, action, image, None if generator is None else _normal(stoch, generator))


def _explored(action: Tensor, std: np.ndarray, generator: Generator | None, discrete: bool) -> Tensor:
    if generator is None or not std.any():
        return action
    strength, normal = torch.as_tensor(std).to(action)[:, None], _normal(action, generator)
    if discrete:
        luck = torch.rand(len(std), 1, generator=generator, device=generator.device).to(action)
        return torch.where(luck < strength, one_hot(normal), action)
    return (action + strength * normal).clamp(-1, 1)


def _normal(like: Tensor, generator: Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=generator.device).to(like)


def _no_belief(count: int) -> Belief:
    return Belief(State(torch.zeros(count, 0), torch.zeros(count, 0)), torch.zeros(count, 0))


def _true_state(info: dict[str, Any], count: int) -> np.ndarray:
    return np.array(info["state"], dtype=np.float64) if "state" in info else np.zeros((count, 0))
