"""What every task must hold: batched, differentiable physics; reward in [0, 1]; a picture of the positions alone."""

import hashlib

import numpy as np
import pytest
import torch

import envs

NAMES = envs.names()
POSITIONS = {"angle", "position", "x", "y"}
SEEN = {"e2c-planar": 1.0} | {name: 0.15 for name in envs.goal_tasks() if name != "e2c-planar"}  # drawn in whole pixels
SPREAD = {"planar": (0.07, 0.93), "e2c-planar": (2.0, 38.0)}


def is_position(name):
    return name.removeprefix("previous ").rstrip(" 123") in POSITIONS


def states_of(task, count, seed=0):
    """Random states away from limits: 15 random decisions from random starts."""
    rng = np.random.default_rng(seed)
    state = torch.from_numpy(np.stack([task.initial(rng) for _ in range(count)]))
    for _ in range(15):
        state = task.step(state, torch.from_numpy(rng.uniform(-0.5, 0.5, (count, task.action_size))))
    return state


def actions_of(task, *shape, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.9, 0.9, (*shape, task.action_size)))


@pytest.fixture(params=NAMES)
def task(request):
    return envs.task(request.param)


def test_start_states_are_finite_differ_and_follow_the_generator(task):
    starts = [task.initial(np.random.default_rng(seed)) for seed in (0, 1, 0)]
    assert starts[0].shape == (len(task.state_names),)
    assert starts[0].dtype == np.float64
    assert np.isfinite(starts[0]).all()
    assert (starts[0] == starts[2]).all()
    assert (starts[0] != starts[1]).any() or task.name in ("e2c-balance", "e2c-threelink")  # one start, as published


def test_no_start_state_ends_the_episode(task):
    starts = torch.from_numpy(np.stack([task.initial(np.random.default_rng(seed)) for seed in range(200)]))
    assert not task.terminated(starts).any()


def test_physics_on_any_leading_axes_are_those_of_single_states(task):
    states, actions = states_of(task, 6).reshape(3, 2, -1), actions_of(task, 3, 2)
    batched = task.step(states, actions)
    for i in range(3):
        for j in range(2):
            assert torch.equal(batched[i, j], task.step(states[i, j], actions[i, j]))
            assert torch.equal(task.reward(batched)[i, j], task.reward(batched[i, j]))
            assert torch.equal(task.terminated(batched)[i, j], task.terminated(batched[i, j]))


def test_a_state_axis_of_candidates_broadcasts_against_actions(task):
    states, actions = states_of(task, 2), actions_of(task, 2, 5)
    expanded = task.step(states[:, None].expand(2, 5, -1), actions)
    assert torch.equal(expanded[:, 3], task.step(states, actions[:, 3]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_input_is_kept(task, dtype):
    state = task.step(states_of(task, 2).to(dtype), actions_of(task, 2).to(dtype))
    assert state.dtype == dtype
    assert task.reward(state).dtype == dtype
    assert task.terminated(state).dtype == torch.bool


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own, on import
def test_jacobian_vector_products_are_finite_differences(task):
    states, actions = states_of(task, 20), actions_of(task, 20)
    directions = torch.from_numpy(np.random.default_rng(2).normal(size=states.shape)), actions_of(task, 20, seed=3)

    def reward_after(state, action):
        following = task.step(state, action)
        return torch.cat([following, task.reward(following)[..., None]], dim=-1)

    _, exact = torch.func.jvp(reward_after, (states, actions), directions)
    small = 1e-6
    ahead = reward_after(states + small * directions[0], actions + small * directions[1])
    behind = reward_after(states - small * directions[0], actions - small * directions[1])
    torch.testing.assert_close((ahead - behind) / (2 * small), exact, rtol=1e-5, atol=1e-5)
    assert exact.abs().max() > 0.1


def test_physics_map_over_a_batch_under_vmap(task):
    states, actions = states_of(task, 4), actions_of(task, 4)
    torch.testing.assert_close(torch.func.vmap(task.step)(states, actions), task.step(states, actions))


def test_gradient_of_a_return_is_finite_and_not_zero(task):
    actions = actions_of(task, 20).requires_grad_()
    state, total = states_of(task, 1)[0], 0.0
    for action in actions:
        state = task.step(state, action)
        total = total + task.reward(state)
    (gradient,) = torch.autograd.grad(total, actions)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_action_beyond_its_limits_saturates(task):
    states = states_of(task, 3)
    beyond, at = torch.full((3, task.action_size), 7.0).double(), torch.ones(3, task.action_size).double()
    assert torch.equal(task.step(states, beyond), task.step(states, at))
    assert not torch.equal(task.step(states, at), task.step(states, 0 * at))


def test_reward_is_within_zero_and_one_and_reaches_high_and_low(task):
    low, high = SPREAD.get(task.name, (-3.2, 3.2))
    spread = torch.from_numpy(np.random.default_rng(4).uniform(low, high, (4000, len(task.state_names))))
    reward = task.reward(spread)
    assert ((reward >= 0) & (reward <= 1)).all()
    assert reward.max() > 0.7
    assert reward.min() < 0.1


@pytest.mark.parametrize("size", [32, 64])
def test_picture_has_the_same_bits_whatever_the_batch(task, size):
    states = states_of(task, 17).numpy()
    together = task.draw(states, size)
    assert together.shape == (17, size, size, task.channels)
    assert together.dtype == np.uint8
    assert all((task.draw(states[i : i + 1], size)[0] == together[i]).all() for i in range(17))
    assert (task.draw(states[:5], size) == together[:5]).all()


def test_drawing_leaves_earlier_pictures_and_the_states_alone(task):
    states = states_of(task, 2).numpy()
    before, first = states.copy(), task.draw(states, 32)
    kept = first.copy()
    task.draw(states + 0.1, 32)[:] = 0
    assert (first == kept).all()
    assert (states == before).all()
    assert (task.draw(states, 32) == kept).all()


def test_picture_shows_small_changes_of_position_and_nothing_of_velocity(task):
    states = states_of(task, 8).numpy()
    size = getattr(task, "size", 32)
    pictures = task.draw(states, size).astype(int)
    for column, name in enumerate(task.state_names):
        moved = states.copy()
        moved[:, column] += SEEN.get(task.name, 0.02) if is_position(name) else 1.5
        change = np.abs(task.draw(moved, size).astype(int) - pictures).reshape(8, -1)
        if is_position(name):
            assert (change.max(axis=1) >= 4).all(), f"{name} is not seen"
        else:
            assert (change == 0).all(), f"{name} leaks into the picture"


def test_an_empty_batch_gives_no_pictures(task):
    assert task.draw(np.zeros((0, len(task.state_names))), 32).shape == (0, 32, 32, task.channels)


GOLDEN = {
    ("pendulum", 32): "e1a71dd11e08fd7b",
    ("pendulum", 64): "81cb3369a5019338",
    ("pendulum-balance", 32): "e1a71dd11e08fd7b",
    ("pendulum-balance", 64): "81cb3369a5019338",
    ("cartpole", 32): "dc0be1f8a39e2854",
    ("cartpole", 64): "0b1b2aa68a0c5dd2",
    ("cartpole-balance", 32): "dc0be1f8a39e2854",
    ("cartpole-balance", 64): "0b1b2aa68a0c5dd2",
    ("planar", 32): "637b8ad085869190",
    ("planar", 64): "c416bc21cc89cf9d",
    ("e2c-planar", 32): "3e7071e8f8bd6d7e",
    ("e2c-planar", 64): "dab324ded1fd685f",
    ("e2c-balance", 32): "7fda65a68392e6be",
    ("e2c-balance", 64): "2ce72c3e4a637494",
    ("e2c-swingup", 32): "7fda65a68392e6be",
    ("e2c-swingup", 64): "2ce72c3e4a637494",
    ("e2c-cartpole", 32): "aa8cd7e52b698933",
    ("e2c-cartpole", 64): "934ba9e85f516091",
    ("e2c-threelink", 32): "07653ff9f15eca29",
    ("e2c-threelink", 64): "5cfbcace666a9345",
}


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", NAMES)
def test_picture_is_still_the_one_that_was_looked_at(name, size):
    task = envs.task(name)
    state = np.array([[0.31, 0.7, *[0.0] * 7][: len(task.state_names)]])
    digest = hashlib.sha256(task.draw(state, size).tobytes()).hexdigest()[:16]
    assert digest == GOLDEN[name, size], "the pictures changed: look at them, then renew this hash"
