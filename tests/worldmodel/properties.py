"""What must hold for every model and for all data, as functions that raise AssertionError where it does not.

`test_contract` shows that they hold, `test_mutations` that each fails once the mistake it is there for is made.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from envs.task import Task
from tests.worldmodel.examples import cut, normal, starting_at, windows
from worldmodel.interface import Belief, State
from worldmodel.objectives import open_loop
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


# --- models -----------------------------------------------------------------------------------------------------------


def check_rollout_is_repeated_steps(model: SequenceVAE, noisy: bool) -> None:
    """States ``[batch, candidates, latent]``; every row of the roll-out is one step from the row before."""
    state, actions, noise = start(model, 2, 3), normal(2, 3, 5, model.sizes.action, seed=4), None
    if noisy:
        noise = normal(2, 3, 5, model.sizes.stoch, seed=5)
    rolled = model.rollout(state, actions, noise)
    for t in range(5):
        state = model.step(state, actions[:, :, t], None if noise is None else noise[:, :, t])
        assert_states_equal(rolled.map(lambda x, t=t: x[:, :, t]), state)


def check_filter_is_observe(model: SequenceVAE, batch: Batch, noisy: bool) -> None:
    """Filtering row after row, as when acting, gives the states that training sees."""
    noise = normal(*batch.reward.shape, model.sizes.stoch) if noisy else None
    observed, belief = model.observe(batch, noise).states, model.initial(len(batch.reward))
    for t in range(batch.reward.shape[1]):
        action = torch.zeros_like(batch.action[:, 0]) if t == 0 else batch.action[:, t]
        belief = model.filter(belief, action, batch.observation[:, t], None if noise is None else noise[:, t])
        assert_states_equal(observed.map(lambda x, t=t: x[:, t]), belief.state)


def check_the_belief_remembers(model: SequenceVAE) -> None:
    """What was seen and done before shows in the belief, beside the frame of the row itself."""
    batch = windows(2, 4)
    belief = model.initial(2)
    for t in range(3):
        belief = model.filter(belief, batch.action[:, t], batch.observation[:, t])
    later = belief_latent(model.filter(belief, batch.action[:, 3], batch.observation[:, 3]))
    fresh = belief_latent(model.filter(model.initial(2), batch.action[:, 3], batch.observation[:, 3]))
    assert (later - fresh).abs().max() > 1e-3, "the belief is that of the last frame alone"


def check_row_t_holds_the_action_that_led_to_it(model: SequenceVAE) -> None:
    """Another action in row t changes the beliefs of row t and later, and none before; likewise another image."""
    batch, row = windows(8, 6), 3
    action, observation = batch.action.clone(), batch.observation.clone()
    action[:, row], observation[:, row] = -action[:, row], 255 - observation[:, row]
    before = believed(model, batch)
    for other in (batch._replace(action=action), batch._replace(observation=observation)):
        moved = (believed(model, other) - before).abs().amax((0, 2))
        assert not moved[:row].any(), f"row {row} reaches back: {moved}"
        assert (moved[row:] > 1e-9).all(), f"row {row} does not show in it and after it: {moved}"


def believed(model: SequenceVAE, batch: Batch) -> Tensor:
    """The states and the posteriors' parameters, ``[batch, time, ...]``."""
    inferred = model.observe(batch)
    return torch.cat([inferred.states.vector, *(part.flatten(2) for part in inferred.posterior)], -1)


def check_a_start_in_the_middle_makes_two_windows(model: SequenceVAE, noisy: bool) -> None:
    """From an episode's start on, the beliefs are those of a window that begins there; without one they are not."""
    row = 4
    batch = starting_at(windows(3, 9), row, 0, 2)
    noise = normal(3, 9, model.sizes.stoch) if noisy else None
    whole = model.observe(batch, noise)
    later = model.observe(cut(batch, slice(None), slice(row, None)), None if noise is None else noise[:, row:])
    for i in (0, 2):
        assert_states_equal(whole.states.map(lambda x, i=i: x[i, row:]), later.states.map(lambda x, i=i: x[i]))
        for one, other in ((whole.prior, later.prior), (whole.posterior, later.posterior)):
            for found, expected in zip(one, other, strict=True):
                torch.testing.assert_close(found[i, row:], expected[i], **TIGHT)
    assert (whole.states.vector[1, row:] - later.states.vector[1]).abs().max() > 1e-6, "no start, yet it forgets"


def check_open_loop_is_repeated_steps(model: SequenceVAE, offset: int, steps: int) -> None:
    """Row ``t`` is predicted from the filtered state at the start of its stretch by the stored actions up to row t."""
    batch = windows(2, 9)
    states, time = model.observe(batch, normal(2, 9, model.sizes.stoch)).states, 9
    predicted = open_loop.open_loop(model.dynamics, states, batch.action, offset, steps)
    expected = []
    for row in range(offset + 1, time):
        if (row - offset - 1) % steps == 0:
            state = states.map(lambda x, row=row: x[:, row - 1])
        state = model.step(state, batch.action[:, row])
        expected.append(state)
    assert predicted.stoch.shape[1] == len(expected)
    for i, state in enumerate(expected):
        assert_states_equal(predicted.map(lambda x, i=i: x[:, i]), state)


def check_no_stretch_reaches_over_a_start(is_first: Tensor, offset: int, steps: int) -> None:
    """A row is used for open-loop prediction only if no episode starts after its stretch did, itself included."""
    usable = open_loop.one_episode(is_first, offset, steps)
    for row in range(is_first.shape[1]):
        start = offset + (row - offset - 1) // steps * steps
        same = ~is_first[:, max(start, 0) + 1 : row + 1].any(1)
        assert torch.equal(usable[:, row], same & (row > offset)), f"row {row}, {offset=}, {steps=}"


def start(model: SequenceVAE, *leading: int) -> State:
    return State(normal(*leading, model.sizes.deter, seed=2), normal(*leading, model.sizes.stoch, seed=3))


def belief_latent(belief: Belief) -> Tensor:
    return belief.state.vector


def assert_states_equal(found: State, expected: State) -> None:
    torch.testing.assert_close(found.deter, expected.deter, **TIGHT)
    torch.testing.assert_close(found.stoch, expected.stoch, **TIGHT)


# --- data -------------------------------------------------------------------------------------------------------------


def check_actions_led_to_their_rows(task: Task, batch: Batch) -> None:
    """The task's own physics, given ``state[t-1]`` and ``action[t]``, arrives in ``state[t]``."""
    arrived = task.step(batch.state[:, :-1], batch.action[:, 1:].double())
    rows = batch.valid[:, 1:] & ~batch.is_first[:, 1:]
    assert rows.any()
    np.testing.assert_allclose(arrived[rows], batch.state[:, 1:][rows], rtol=0, atol=1e-12)


def check_rewards_are_paid_on_arrival(task: Task, batch: Batch) -> None:
    """``reward[t]`` is the task's reward of ``state[t]``; the reset pays nothing."""
    expected = torch.where(batch.is_first, 0.0, task.reward(batch.state))[batch.valid]
    np.testing.assert_allclose(batch.reward[batch.valid], expected, rtol=0, atol=1e-6)


def check_windows_stay_in_one_episode(batch: Batch) -> None:
    """A reset is the first row of its window; a true termination is the last valid one; padding comes last."""
    assert not batch.is_first[:, 1:].any(), "a window reaches over an episode's start"
    following = torch.cat([batch.valid[:, 1:], torch.zeros_like(batch.valid[:, :1])], 1)
    assert not (following & ~batch.valid).any(), "valid rows follow padding"
    assert not (batch.terminated & following).any(), "rows follow a termination"


def check_continuation_targets(task: Task, batch: Batch) -> None:
    """Terminated is what the task says of the state, whatever the clock does."""
    expected = task.terminated(batch.state) & ~batch.is_first
    assert torch.equal(batch.terminated[batch.valid], expected[batch.valid])


def lag_errors(batch: Batch) -> dict[int, float]:
    """Relative error of the best linear prediction of each row's change of state, by lag of the stored action.

    Regressors: the state before, the sines of it, and the action of row t + lag. Lag 0 is the convention.
    """
    inside = slice(2, batch.reward.shape[1] - 1)
    before, after = batch.state[:, 1:-2], batch.state[:, inside]
    rows = batch.valid[:, 3:].flatten()  # windows are valid from the left
    errors = {}
    for lag in (-1, 0, 1):
        action = batch.action[:, 2 + lag : batch.reward.shape[1] - 1 + lag].double()
        inputs = torch.cat([before, before.sin(), action, torch.ones_like(action)], -1).flatten(0, 1)[rows]
        target = (after - before).flatten(0, 1)[rows][:, -1:]
        left = target - inputs @ torch.linalg.lstsq(inputs, target).solution
        errors[lag] = float(left.square().sum() / target.square().sum())
    return errors


def check_the_action_of_the_same_row_explains_it(batch: Batch) -> None:
    errors = lag_errors(batch)
    assert min(errors, key=errors.__getitem__) == 0, errors
    assert errors[0] < 0.2 * min(errors[-1], errors[1]), errors
