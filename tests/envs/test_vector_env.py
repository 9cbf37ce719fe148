"""The vector environment: seeds, explicit resets, ends of episodes, bad input; and the single one beside it."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import envs

NAMES = envs.names()


def play(name, num_envs, seed, steps=10, size=16):
    """All observations, rewards, ends and states of a few steps; the actions of copy i depend on i alone."""
    env = envs.make_vector(name, num_envs, size)
    actions = np.stack(
        [
            np.random.default_rng(100 + i).uniform(-0.3, 0.3, (steps, *env.single_action_space.shape))
            for i in range(num_envs)
        ]
    )
    observation, info = env.reset(seed=seed)
    record = [(observation, np.zeros(num_envs), np.zeros(num_envs), np.zeros(num_envs), info["state"])]
    for t in range(steps):
        observation, reward, terminated, truncated, info = env.step(actions[:, t].astype(np.float32))
        record.append((observation, reward, terminated, truncated, info["state"]))
        if (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})
    return [np.stack(column) for column in zip(*record, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits_and_another_seed_others(name):
    first, again, other = play(name, 3, seed=5), play(name, 3, seed=5), play(name, 3, seed=50)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[4] != other[4]).any() or name in ("e2c-balance", "e2c-threelink")  # one start, as published


@pytest.mark.parametrize("name", NAMES)
def test_copy_i_does_not_depend_on_how_many_there_are(name):
    many = play(name, 9, seed=3)
    for count in (1, 4):
        few = play(name, count, seed=3)
        assert all((a == b[:, :count]).all() for a, b in zip(few, many, strict=True))


def test_a_list_of_seeds_gives_one_each():
    env = envs.make_vector("pendulum", 3)
    state = env.reset(seed=[7, 5, 7])[1]["state"]
    assert (state[0] == state[2]).all()
    assert (state[1] == env.reset(seed=4)[1]["state"][1]).all()


def test_without_a_seed_the_generators_go_on():
    env = envs.make_vector("pendulum", 2)
    first, second = env.reset(seed=0)[1]["state"], env.reset()[1]["state"]
    assert (first != second).all()
    env.reset(seed=0)
    assert (env.reset()[1]["state"] == second).all()


@pytest.mark.parametrize("name", NAMES)
def test_spaces_hold_what_comes(name):
    env = envs.make_vector(name, 2, size=24)
    observation, info = env.reset(seed=0)
    assert env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert env.observation_space.contains(observation)
    assert info["state"].shape == (2, len(env.task.state_names))
    assert info["state"].dtype == np.float64
    observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    assert reward.shape == terminated.shape == truncated.shape == (2,)
    assert terminated.dtype == truncated.dtype == bool


@pytest.mark.parametrize("name", ["pendulum", "pendulum-balance", "cartpole", "planar"])
def test_truncation_comes_exactly_at_the_last_step_and_is_not_termination(name):
    env = envs.make_vector(name, 2, size=16)
    env.reset(seed=0)
    ends = []
    for _ in range(env.task.episode_steps):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert not terminated.any()
        ends.append(truncated.all())
    assert ends == [False] * (env.task.episode_steps - 1) + [True]


def test_reward_and_state_are_those_of_arrival():
    env = envs.make_vector("cartpole", 2)
    before = env.reset(seed=0)[1]["state"]
    action = np.array([[1.0], [-0.5]], dtype=np.float32)
    observation, reward, _, _, info = env.step(action)
    arrived = env.task.step(torch.from_numpy(before), torch.from_numpy(action.astype(np.float64)))
    assert (info["state"] == arrived.numpy()).all()
    assert (reward == env.task.reward(arrived).numpy()).all()
    assert (observation == env.task.draw(arrived.numpy(), 32)).all()


def test_a_fallen_pole_is_terminated_not_truncated_and_only_it_is_reset():
    env = envs.make_vector("cartpole-balance", 2)
    env.reset(seed=0)
    env.set_state(np.array([[0.0, 0.45, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0]]))
    _, _, terminated, truncated, info = env.step(np.zeros((2, 1), dtype=np.float32))
    assert terminated.tolist() == [True, False]
    assert not truncated.any()
    after = env.reset(options={"reset_mask": terminated | truncated})[1]["state"]
    assert (after[1] == info["state"][1]).all()
    assert abs(after[0, 1]) < 0.2


def test_a_reset_copy_counts_its_steps_anew():
    env = envs.make_vector("planar", 2, size=16)
    env.reset(seed=0)
    for _ in range(10):
        env.step(env.action_space.sample())
    env.reset(options={"reset_mask": np.array([True, False])})
    for _ in range(30):
        truncated = env.step(env.action_space.sample())[3]
    assert truncated.tolist() == [False, True]


def test_stepping_a_finished_copy_is_an_error():
    env = envs.make_vector("cartpole-balance", 2)
    with pytest.raises(RuntimeError, match=r"\[0, 1\].*never reset"):
        env.step(np.zeros((2, 1), dtype=np.float32))
    env.reset(seed=0)
    env.set_state(np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.6, 0.0, 0.0]]))
    env.step(np.zeros((2, 1), dtype=np.float32))
    with pytest.raises(RuntimeError, match=r"environments \[1\] have finished"):
        env.step(np.zeros((2, 1), dtype=np.float32))


def test_what_was_returned_does_not_change_later():
    env = envs.make_vector("pendulum", 1)
    observation, info = env.reset(seed=0)
    kept, state = observation.copy(), info["state"].copy()
    info["state"][:] = 9.0
    env.step(np.ones((1, 1), dtype=np.float32))
    assert (observation == kept).all()
    env.reset(seed=0)
    assert (
        env.step(np.zeros((1, 1)))[4]["state"] == env.task.step(torch.tensor(state), torch.zeros(1, 1)).numpy()
    ).all()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ([[1.1], [0.0]], r"within \[-1, 1\].*environments \[0\]"),
        ([[0.0], [np.nan]], r"within \[-1, 1\].*environments \[1\]"),
        ([[0.0]], r"shape \(2, 1\), but came \(1, 1\)"),
        ([0.0, 0.0], r"shape \(2, 1\), but came \(2,\)"),
    ],
)
def test_bad_actions_say_what_is_wrong(action, message):
    env = envs.make_vector("pendulum", 2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(np.array(action))


@pytest.mark.parametrize("mask", [np.array([1, 0]), [True, False], np.array([True])])
def test_bad_reset_masks_are_refused(mask):
    with pytest.raises(ValueError, match=r"bool array of shape \(2,\)"):
        envs.make_vector("pendulum", 2).reset(options={"reset_mask": mask})


def test_bad_seeds_states_and_sizes_are_refused():
    env = envs.make_vector("pendulum", 2)
    with pytest.raises(ValueError, match="one seed per environment"):
        env.reset(seed=[1])
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        env.set_state(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="2 non-finite"):
        env.set_state(np.array([[np.nan, np.inf], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="num_envs=0"):
        envs.make_vector("pendulum", 0)


def test_unknown_names_come_back_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'pendulum'"):
        envs.make_vector("pendlum", 1)
    with pytest.raises(ValueError, match="The tasks are pendulum"):
        envs.task("zzz")


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_finds_nothing_to_warn_of(name):
    env = gymnasium.make(f"worldmodel/{name}-v0", size=24, render_mode="rgb_array")
    assert env.observation_space.shape == (24, 24, envs.task(name).channels)
    check_env(env.unwrapped)
    env.reset(seed=0)
    assert env.render().shape == (256, 256, 3)


def test_single_environment_is_copy_zero_of_the_vector():
    one, many = envs.make("cartpole"), envs.make_vector("cartpole", 3)
    assert (one.reset(seed=4)[0] == many.reset(seed=4)[0][0]).all()
    for value in (0.5, -1.0):
        single, vector = one.step(np.array([value])), many.step(np.full((3, 1), value))
        assert (single[0] == vector[0][0]).all()
        assert single[1:4] == (vector[1][0], vector[2][0], vector[3][0])
        assert (single[4]["state"] == vector[4]["state"][0]).all()
    assert (one.reset()[1]["state"] == many.reset()[1]["state"][0]).all()


def test_make_vec_gives_our_own_vector_environment():
    env = gymnasium.make_vec("worldmodel/planar-v0", num_envs=3, size=20)
    assert isinstance(env, envs.PixelVectorEnv)
    assert env.observation_space.shape == (3, 20, 20, 3)


def test_unknown_render_mode_is_refused():
    with pytest.raises(ValueError, match="'human'"):
        envs.make("pendulum", render_mode="human")
