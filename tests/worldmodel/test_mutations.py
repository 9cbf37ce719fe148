"""The mistakes that this field makes silently, made on purpose: each must fail its property.

Every test first shows that the property holds for the real code, then that it fails for the mutated one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from envs.cartpole import CartPole
from envs.pendulum import Pendulum
from envs.task import Task
from envs.vector import PixelVectorEnv
from planners.episode import Recording, Run, run_episode
from planners.random_policy import RandomPolicy
from tests.worldmodel import properties
from tests.worldmodel.examples import FILTERING, NAMES, SIZE, small_model, starting_at, windows
from worldmodel import sequence_vae
from worldmodel.interface import State
from worldmodel.objectives import open_loop
from worldmodel.replay import Batch, Replay
from worldmodel.sequence_vae import Dynamics, SequenceVAE

PENDULUM = Pendulum(episode_steps=20)  # ended by the clock alone
CARTPOLE = CartPole(start_angle=0.0, fall_angle=0.5, episode_steps=7)  # the pole falls in some episodes, not in all
LENGTH = 7

every_model = pytest.mark.parametrize("name", NAMES)
filtering_models = pytest.mark.parametrize("name", FILTERING)
both_tasks = pytest.mark.parametrize("task", [PENDULUM, CARTPOLE], ids=["pendulum", "cartpole"])


def collected(task: Task) -> list[Run]:
    """Random episodes by the loop that collects."""
    policy = RandomPolicy(task.action_size, torch.Generator().manual_seed(0))
    return run_episode(None, policy, PixelVectorEnv(task, 8, SIZE), seed=0)


def drawn(task: Task, folder: Path) -> Batch:
    """Windows of them out of the replay."""
    replay = Replay.create(folder / "replay", 500, (SIZE, SIZE, 3), task.action_size, len(task.state_names))
    for run in collected(task):
        replay.add(run.episode)
    return replay.sample(64, LENGTH, np.random.default_rng(0))


def fails(check: Callable[..., None], *arguments: Any) -> None:
    with pytest.raises(AssertionError):
        check(*arguments)


# --- data: what is collected, stored and drawn ------------------------------------------------------------------------


@both_tasks
def test_the_data_keep_every_rule(task: Task, tmp_path: Path) -> None:
    batch = drawn(task, tmp_path)
    properties.check_actions_led_to_their_rows(task, batch)
    properties.check_rewards_are_paid_on_arrival(task, batch)
    properties.check_windows_stay_in_one_episode(batch)
    properties.check_continuation_targets(task, batch)
    properties.check_the_action_of_the_same_row_explains_it(batch)


def test_the_tasks_end_as_these_tests_need_it() -> None:
    """Some episodes of the cart-pole terminate, others are cut by the clock, and so is every pendulum's."""
    ended = [bool(run.episode.terminated[-1]) for run in collected(CARTPOLE)]
    assert True in ended
    assert False in ended
    assert not any(run.episode.terminated.any() for run in collected(PENDULUM))


def record(monkeypatch: pytest.MonkeyPatch, **mutations: Callable[[list], list]) -> None:
    """Change the named histories of `Recording` before episodes are made of them."""
    runs = Recording.runs

    def mutated(self: Recording) -> list[Run]:
        for name, change in mutations.items():
            setattr(self, name, change(getattr(self, name)))
        return runs(self)

    monkeypatch.setattr(Recording, "runs", mutated)


def late(history: list) -> list:
    """Row t holds what belongs to row t - 1."""
    return [np.zeros_like(history[0]), *history[:-1]]


def early(history: list) -> list:
    """Row t holds what belongs to row t + 1, as when the frame of the reset is dropped."""
    return [*history[1:], history[-1]]


@both_tasks
@pytest.mark.parametrize("shifted", [{"actions": late}, {"observations": early, "states": early}])
def test_a_shift_of_actions_is_caught(
    task: Task, shifted: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(monkeypatch, **shifted)
    batch = drawn(task, tmp_path)
    fails(properties.check_actions_led_to_their_rows, task, batch)
    fails(properties.check_the_action_of_the_same_row_explains_it, batch)


@both_tasks
def test_a_shift_of_actions_the_other_way_is_caught(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row t holding the action that follows it: the replay refuses it, for the reset has no action; so would we."""
    batch = drawn(task, tmp_path)
    shifted = batch._replace(action=batch.action.roll(-1, 1))
    fails(properties.check_actions_led_to_their_rows, task, shifted)
    fails(properties.check_the_action_of_the_same_row_explains_it, shifted)
    record(monkeypatch, actions=early)
    with pytest.raises(ValueError, match="look shifted by one"):
        drawn(task, tmp_path / "again")


def test_the_fit_error_tells_the_lag(tmp_path: Path) -> None:
    """Best explained by the action of the same row; by the row before or after where actions are shifted."""
    batch = drawn(PENDULUM, tmp_path)
    for shift, best in ((0, 0), (1, 1), (-1, -1)):
        errors = properties.lag_errors(batch._replace(action=batch.action.roll(shift, 1)))
        assert min(errors, key=errors.__getitem__) == best, errors


@both_tasks
def test_a_shift_of_rewards_is_caught(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(monkeypatch, rewards=late)
    fails(properties.check_rewards_are_paid_on_arrival, task, drawn(task, tmp_path))


def across_ends(replay: Replay, starts: np.ndarray, counts: np.ndarray, length: int) -> Batch:
    """Windows of full length from half a window later on, whatever episode that is in."""
    return WINDOWS(replay, starts + length // 2, np.full_like(counts, length), length)


def across_ends_unmarked(replay: Replay, starts: np.ndarray, counts: np.ndarray, length: int) -> Batch:
    """The same, and the starts of episodes are not even marked."""
    batch = across_ends(replay, starts, counts, length)
    return batch._replace(is_first=torch.zeros_like(batch.is_first))


def padding_is_valid(replay: Replay, starts: np.ndarray, counts: np.ndarray, length: int) -> Batch:
    batch = WINDOWS(replay, starts, counts, length)
    return batch._replace(valid=torch.ones_like(batch.valid))


WINDOWS = Replay._windows


@both_tasks
def test_windows_across_episodes_are_caught(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replay, "_windows", across_ends)
    fails(properties.check_windows_stay_in_one_episode, drawn(task, tmp_path))
    monkeypatch.setattr(Replay, "_windows", across_ends_unmarked)
    fails(properties.check_actions_led_to_their_rows, task, drawn(task, tmp_path / "unmarked"))


def test_padding_taken_for_data_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replay, "_windows", padding_is_valid)
    batch = drawn(CARTPOLE, tmp_path)
    fails(properties.check_windows_stay_in_one_episode, batch)
    fails(properties.check_actions_led_to_their_rows, CARTPOLE, batch)


def end_as(change: Callable[[np.ndarray, np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Record ``change(terminated, truncated)`` as terminated; episodes end where they end."""
    add = Recording.add

    def mutated(self: Recording, action: np.ndarray, step: tuple, value: Tensor, seconds: float) -> None:
        observation, reward, terminated, truncated, info = step
        ended = terminated | truncated
        add(self, action, (observation, reward, change(terminated, truncated), ended, info), value, seconds)

    monkeypatch.setattr(Recording, "add", mutated)


@both_tasks
def test_truncated_taken_for_terminated_is_caught(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end_as(lambda terminated, truncated: terminated | truncated, monkeypatch)
    fails(properties.check_continuation_targets, task, drawn(task, tmp_path))


def test_terminations_that_are_lost_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end_as(lambda terminated, truncated: terminated & False, monkeypatch)
    fails(properties.check_continuation_targets, CARTPOLE, drawn(CARTPOLE, tmp_path))


# --- models: what is rolled, filtered and predicted -------------------------------------------------------------------


def frozen(model: SequenceVAE) -> Callable:
    """A roll-out that never advances its state: every row is one step from the start."""

    def rollout(state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        spread = state.map(lambda x: x[..., None, :].expand(*actions.shape[:-1], -1))
        return model.dynamics.step(spread, actions, noise)

    return rollout


def one_late(model: SequenceVAE) -> Callable:
    """A roll-out that returns the states departed from."""
    real = model.dynamics.rollout

    def rollout(state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        arrived = real(state, actions, noise)
        parts = zip(state, arrived, strict=True)
        return State(*(torch.cat([start[..., None, :], later[..., :-1, :]], -2) for start, later in parts))

    return rollout


@every_model
@pytest.mark.parametrize("mutation", [frozen, one_late])
def test_a_rollout_that_does_not_advance_is_caught(
    name: str, mutation: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model(name)
    properties.check_rollout_is_repeated_steps(model, True)
    properties.check_open_loop_is_repeated_steps(model, 0, 4)
    monkeypatch.setattr(model.dynamics, "rollout", mutation(model))
    fails(properties.check_rollout_is_repeated_steps, model, True)
    fails(properties.check_rollout_is_repeated_steps, model, False)
    fails(properties.check_open_loop_is_repeated_steps, model, 0, 4)


@filtering_models
def test_a_belief_that_does_not_advance_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(name)
    properties.check_the_belief_remembers(model)
    infer, encoder = model._infer, model.encoder
    remember, watch = encoder.remember, encoder.watch
    monkeypatch.setattr(model, "_infer", lambda state, *rest: infer(model.dynamics.initial(len(rest[0])), *rest))
    monkeypatch.setattr(encoder, "remember", lambda memory, *rest: remember(0 * memory, *rest))
    monkeypatch.setattr(encoder, "watch", lambda *rows: watch(*rows[:2], torch.ones_like(rows[2])))
    fails(properties.check_the_belief_remembers, model)
    fails(properties.check_row_t_holds_the_action_that_led_to_it, model)


@filtering_models
@pytest.mark.parametrize("shift", [-1, 1])
def test_actions_shifted_in_training_are_caught(name: str, shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = small_model(name), windows(2, 6)
    properties.check_row_t_holds_the_action_that_led_to_it(model)
    properties.check_filter_is_observe(model, batch, False)
    observe = model.observe
    shifted = lambda batch, *rest: observe(batch._replace(action=batch.action.roll(shift, 1)), *rest)  # noqa: E731
    monkeypatch.setattr(model, "observe", shifted)
    fails(properties.check_row_t_holds_the_action_that_led_to_it, model)
    fails(properties.check_filter_is_observe, model, batch, False)


@filtering_models
def test_beliefs_that_cross_a_start_are_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(name)
    properties.check_a_start_in_the_middle_makes_two_windows(model, True)
    watch = model.encoder.watch
    monkeypatch.setattr(sequence_vae, "forget", lambda state, is_first: state)
    monkeypatch.setattr(model.encoder, "watch", lambda *rows: watch(*rows[:2], rows[2] & False))
    fails(properties.check_a_start_in_the_middle_makes_two_windows, model, True)


@filtering_models
def test_a_start_that_forgets_the_state_but_not_the_action_is_caught(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, within = small_model(name), sequence_vae.actions_within
    monkeypatch.setattr(sequence_vae, "actions_within", lambda action, first: within(action, first & False))
    fails(properties.check_a_start_in_the_middle_makes_two_windows, model, True)


@every_model
@pytest.mark.parametrize("shift", [-1, 1])
def test_open_loop_actions_shifted_are_caught(name: str, shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, real = small_model(name), open_loop.open_loop
    properties.check_open_loop_is_repeated_steps(model, 1, 3)

    def shifted(dynamics: Dynamics, states: State, actions: Tensor, offset: int, steps: int) -> State:
        return real(dynamics, states, actions.roll(shift, 1), offset, steps)

    monkeypatch.setattr(open_loop, "open_loop", shifted)
    fails(properties.check_open_loop_is_repeated_steps, model, 1, 3)


@every_model
def test_open_loop_that_sees_what_it_predicts_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started from the filtered state of the predicted row itself, which every loss would reward."""
    model, real = small_model(name), open_loop.open_loop

    def leaking(dynamics: Dynamics, states: State, actions: Tensor, offset: int, steps: int) -> State:
        return real(dynamics, states.map(lambda x: x.roll(-1, 1)), actions, offset, steps)

    monkeypatch.setattr(open_loop, "open_loop", leaking)
    fails(properties.check_open_loop_is_repeated_steps, model, 1, 3)


def test_open_loop_across_a_start_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = starting_at(windows(3, 9), 4, 1).is_first
    properties.check_no_stretch_reaches_over_a_start(starts, 1, 3)

    def blind(is_first: Tensor, offset: int, steps: int) -> Tensor:
        return torch.arange(is_first.shape[1]).expand_as(is_first) > offset

    monkeypatch.setattr(open_loop, "one_episode", blind)
    fails(properties.check_no_stretch_reaches_over_a_start, starts, 1, 3)
