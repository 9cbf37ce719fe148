from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Generator, Tensor

from planners.episode import run_episode
from planners.interface import Plan
from planners.objective import LearnedReward
from planners.random_policy import RandomPolicy
from planners.sampling import cem
from tests.planners import toys
from worldmodel.episode import check
from worldmodel.interface import Belief, State


class Walkers(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """The walker of the toys as environments: copy i starts at ``i / 10`` and ends after ``lengths[i]`` steps, every
    second one by termination. Stepping one that has ended is an error.
    """

    def __init__(self, *lengths: int) -> None:
        self.num_envs, self.lengths = len(lengths), np.array(lengths)
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        self.single_action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.stepped = 0

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        if options is None:
            self.x, self.clock = np.arange(self.num_envs) / 10, np.zeros(self.num_envs, dtype=int)
        else:
            self.clock[options["reset_mask"]] = 0
        return self._images(), {"state": self.x[:, None]}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        assert (self.clock < self.lengths).all(), "stepped after its end"
        assert actions.dtype == np.float32
        self.x, self.clock = self.x + actions[:, 0] / 4, self.clock + 1
        ended, even = self.clock == self.lengths, np.arange(self.num_envs) % 2 == 0
        self.stepped += 1
        return self._images(), self.x.astype(np.float64), ended & even, ended & ~even, {"state": self.x[:, None]}

    def _images(self) -> np.ndarray:
        image = np.zeros((self.num_envs, 1, 2, 1), dtype=np.uint8)
        image[:, 0, 0, 0] = np.clip(np.round((self.x + 2) / 4 * 255), 0, 255)
        return image


@dataclass
class Counter:
    """A planner that answers a tenth of the decision's number, and checks that it is given its last plan."""

    seen: list[Plan | None] = field(default_factory=list)

    def plan(self, state: State, previous: Plan | None = None) -> tuple[Tensor, Plan]:
        self.seen.append(previous)
        batch = state.stoch.shape[0]
        action = torch.full((batch, 1), len(self.seen) / 10)
        return action, Plan(action[:, None], state.map(lambda x: x[:, None]), torch.full((batch,), 7.0), {})


@dataclass(frozen=True)
class Watched(toys.Toy):
    """A toy that notes what its filter was given."""

    notes: list[tuple[Belief, Tensor, Tensor, Tensor | None]] = field(default_factory=list)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        self.notes.append((belief, action, observation, noise))
        return super().filter(belief, action, observation, noise)


def watched() -> Watched:
    toy = toys.cliff()
    return Watched(toy.transition, toy.reward_of)


def test_rows_hold_the_action_that_led_to_the_observation_and_its_reward() -> None:
    [run] = run_episode(toys.cliff(), Counter(), Walkers(3), seed=0)
    check(run.episode)
    np.testing.assert_allclose(run.episode.action[:, 0], [0, 0.1, 0.2, 0.3])
    positions = [0, 0.025, 0.075, 0.15]
    np.testing.assert_allclose(run.episode.state[:, 0], positions, atol=1e-6)
    np.testing.assert_allclose(run.episode.reward, positions, atol=1e-6)
    np.testing.assert_allclose(run.episode.observation[:, 0, 0, 0] / 255 * 4 - 2, positions, atol=0.01)
    assert run.episode.terminated.tolist() == [False, False, False, True]
    assert run.value.tolist() == [7, 7, 7]
    assert run.seconds.shape == (3,)
    assert (run.seconds > 0).all()


def test_each_episode_ends_when_its_own_environment_does() -> None:
    envs = Walkers(2, 5, 1)
    runs = run_episode(toys.cliff(), Counter(), envs, seed=0)
    assert [run.episode.rows for run in runs] == [3, 6, 2]
    assert [run.episode.terminated[-1] for run in runs] == [True, False, True], "a time limit is not a termination"
    assert [len(run.value) for run in runs] == [2, 5, 1]
    assert envs.stepped == 5
    for i, run in enumerate(runs):
        check(run.episode)
        assert run.episode.state[0, 0] == pytest.approx(i / 10)


def test_the_filter_sees_the_last_belief_the_executed_action_and_the_new_image() -> None:
    model, generator = watched(), Generator().manual_seed(0)
    [run] = run_episode(model, Counter(), Walkers(3), seed=0, noise_std=0.5, generator=generator)
    assert len(model.notes) == 3
    for t, (belief, action, observation, noise) in enumerate(model.notes):
        np.testing.assert_array_equal(action.numpy()[0], run.episode.action[t])
        np.testing.assert_array_equal(observation.numpy()[0], run.episode.observation[t])
        assert noise is None
        if t:
            before = run.episode.observation[t - 1, 0, 0, 0] / 255 * 4 - 2
            assert belief.state.deter.item() == pytest.approx(before, abs=1e-6)
    assert np.abs(run.episode.action[1:, 0] - [0.1, 0.2, 0.3]).min() > 0, "exploration noise is in what was executed"


def test_the_last_plan_comes_back_and_the_first_has_none() -> None:
    planner, progress = Counter(), []
    run_episode(
        toys.cliff(), planner, Walkers(3), seed=0, progress=lambda t, belief, plan: progress.append((t, belief, plan))
    )
    assert planner.seen[0] is None
    assert [plan for _, _, plan in progress][:-1] == planner.seen[1:]
    assert [t for t, _, _ in progress] == [0, 1, 2]
    assert isinstance(progress[0][1], Belief)


def test_exploring_actions_stay_within_the_limits() -> None:
    runs = run_episode(None, Counter(), Walkers(9, 9), seed=0, noise_std=5.0, generator=Generator().manual_seed(0))
    actions = np.concatenate([run.episode.action[1:] for run in runs])
    assert np.abs(actions).max() == 1
    assert (runs[0].episode.action != runs[1].episode.action).any(), "each environment explores on its own"


def test_sampling_gives_noise_to_the_filter() -> None:
    model = watched()
    run_episode(model, Counter(), Walkers(2, 2), seed=0, sample=True, generator=Generator().manual_seed(0))
    noise = model.notes[0][3]
    assert noise is not None
    assert noise.shape == (2, 1)
    assert noise[0] != noise[1]


def test_same_seed_same_episodes() -> None:
    def collect() -> list[np.ndarray]:
        policy = RandomPolicy(1, Generator().manual_seed(4), 0.7)
        return [run.episode.action for run in run_episode(None, policy, Walkers(5, 3), seed=0)]

    for first, second in zip(collect(), collect(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_planner_in_the_loop_walks_to_the_edge_and_stops() -> None:
    toy = toys.cliff()
    planner = cem(toy, LearnedReward(toy), Generator().manual_seed(0), horizon=5, candidates=64, elites=8, iterations=4)
    [run] = run_episode(toy, planner, Walkers(8), seed=0)
    assert 0.4 < run.episode.state[3:, 0].min() <= run.episode.state[:, 0].max() < toys.EDGE + 0.05


def test_environments_that_reset_on_their_own_are_refused() -> None:
    envs = Walkers(2)
    envs.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    with pytest.raises(ValueError, match="autoreset_mode is"):
        run_episode(None, Counter(), envs, seed=0)


@pytest.mark.parametrize("arguments", [{"noise_std": 0.1}, {"sample": True}])
def test_noise_needs_a_generator(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"need a torch\.Generator"):
        run_episode(None, Counter(), Walkers(2), seed=0, **arguments)
