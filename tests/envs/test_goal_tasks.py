"""The published tasks: their numbers by hand, energy, what two frames tell, what their training sets hold."""

import math

import numpy as np
import pytest
import torch

import envs
from envs.frames import whole_pixels
from envs.runge_kutta import integrate


@pytest.fixture(params=list(envs.goal_tasks()))
def task(request):
    return envs.goal_tasks()[request.param]


def after(task, state, action):
    return task.step(torch.tensor(state, dtype=torch.float64), torch.tensor(action, dtype=torch.float64))


def test_fourth_order_halving_the_step_takes_the_error_down_sixteenfold():
    def error(steps):
        return float(integrate(lambda x: x, torch.tensor([1.0], dtype=torch.float64), 1.0, steps) - math.e)

    assert error(4) / error(8) == pytest.approx(16, rel=0.15)


def test_goals_are_goals_and_far_states_are_not(task):
    for goal in torch.tensor(task.goals, dtype=torch.float64):
        assert task.in_goal(goal, goal)
        assert not task.in_goal(goal + 2.5, goal)


def test_rewarded_most_in_the_goal(task):
    goal = torch.tensor(task.goals[0], dtype=torch.float64)
    assert task.reward(goal) == 1


def test_scattered_states_differ_actions_fill_their_range_and_the_seed_decides(task):
    states, actions = task.scatter(np.random.default_rng(0), 400)
    again, _ = task.scatter(np.random.default_rng(0), 400)
    assert states.shape == (400, len(task.state_names))
    assert actions.shape == (400, task.action_size)
    assert (states == again).all()
    assert np.abs(actions).max() <= 1
    assert np.abs(actions).max() > 0.9
    assert len(np.unique(states, axis=0)) > 390


def test_scattered_moves_on_the_plane_are_never_blocked():
    task = envs.goal_tasks()["e2c-planar"]
    states, actions = (torch.from_numpy(x) for x in task.scatter(np.random.default_rng(1), 3000))
    pushed = 3 * actions.clamp(-1, 1)
    torch.testing.assert_close(task.step(states, actions) - states, pushed, atol=0.11, rtol=0)


def test_a_move_onto_an_obstacle_is_not_made_and_one_over_it_is():
    assert after(envs.task("e2c-planar"), [18.0, 5.5], [1.0, 0.0]).tolist() == [18.0, 5.5]
    assert after(envs.task("e2c-planar"), [18.6, 6.9], [1.0, 0.0]).tolist() == [18.6, 6.9]
    assert after(envs.task("e2c-planar"), [18.0, 7.5], [1.0, 0.0]).tolist() == [21.0, 7.5]


def test_the_plane_ends_half_a_square_before_its_edge():
    assert after(envs.task("e2c-planar"), [2.0, 37.0], [-1.0, 1.0]).tolist() == [1.5, 38.5]


def test_pendulum_falls_with_the_rate_of_its_equation():
    small = 1e-4
    angle, velocity, _ = after(envs.task("e2c-balance"), [small, 0.0, small], [0.0]).tolist()
    rate = math.sqrt(3 * 9.81 / 0.5)
    assert angle == pytest.approx(small * math.cosh(rate * 0.02), rel=1e-5)
    assert velocity == pytest.approx(small * rate * math.sinh(rate * 0.02), rel=1e-4)


def test_full_torque_lifts_the_pendulum_through_the_horizontal():
    _, velocity, _ = after(envs.task("e2c-swingup"), [math.pi / 2, 0.0, math.pi / 2], [-1.0]).tolist()
    assert velocity == pytest.approx(0.02 * (0.4905 - 0.65) / (0.1 * 0.25 / 3), rel=0.02)


def test_pushed_cart_leaves_the_pole_behind():
    position, angle, velocity, spin, *before = after(envs.task("e2c-cartpole"), [0.0] * 6, [1.0]).tolist()
    spin_up = -10 / (4 / 3 * 1.1 * 0.5 - 0.05)
    assert spin == pytest.approx(0.02 * spin_up, rel=0.01)
    assert velocity == pytest.approx(0.02 * (10 - 0.05 * spin_up) / 1.1, rel=0.01)
    assert position > 0 > angle
    assert before == [0.0, 0.0]


def test_three_links_keep_their_energy_in_free_motion():
    task = envs.goal_tasks()["e2c-threelink"]
    rng = np.random.default_rng(0)
    state = torch.from_numpy(rng.uniform(-2, 2, (8, 6)))

    def slope(x):
        torque = torch.zeros_like(x[..., :3])
        return torch.cat([x[..., 3:], task.accelerations(x[..., :3], x[..., 3:], torque)], dim=-1)

    moved = integrate(slope, state, 1.0, 1000)
    energy = task.energy(state[:, :3], state[:, 3:])
    torch.testing.assert_close(task.energy(moved[:, :3], moved[:, 3:]), energy, rtol=1e-6, atol=1e-7)
    assert (moved - state).abs().max() > 1


def test_torques_of_three_links_do_the_work_of_their_joints():
    """dE/dt = Σ torque_k · velocity_k, with E by its own formula and differentiated automatically."""
    task = envs.goal_tasks()["e2c-threelink"]
    rng = np.random.default_rng(1)
    angle, velocity, torque = (torch.from_numpy(rng.uniform(-1, 1, (5, 3))) for _ in range(3))
    up = task.accelerations(angle, velocity, torque)
    _, power = torch.func.jvp(task.energy, (angle, velocity), (velocity, up))
    torch.testing.assert_close(power, (torque * velocity).sum(-1))


def test_joints_come_in_again_at_the_other_end_and_time_runs_faster_outside_of_the_goal():
    task = envs.task("e2c-threelink")
    edge = 2 * math.pi / 3 - 0.01
    second = after(task, [0.0, edge, 0, 0.0, 1.5, 0.0, 0.0, edge, 0.0], [0.0] * 3)[1]
    assert -2 * math.pi / 3 <= second < -2 * math.pi / 3 + 0.1
    fast = after(task, [1.0, 0, 0, 0.5, 0, 0, 1.0, 0, 0], [0.0] * 3)[0] - 1.0
    slow = after(task, [0.3, 0, 0, 0.5, 0, 0, 0.3, 0, 0], [0.0] * 3)[0] - 0.3
    assert fast > 2.4 * slow


def test_frames_of_a_state_at_rest_are_the_same_and_those_of_a_moving_one_are_not():
    for name in ("e2c-swingup", "e2c-cartpole", "e2c-threelink"):
        task = envs.task(name)
        rest = torch.from_numpy(task.initial(np.random.default_rng(0)))
        moved = rest
        for _ in range(4):
            moved = task.step(moved, torch.ones(task.action_size, dtype=torch.float64))
        still, moving = task.draw(np.stack([rest.numpy(), moved.numpy()]), task.size)
        assert (still[..., 0] == still[..., 1]).all()
        assert (moving[..., 0] != moving[..., 1]).any()
        earlier = task.draw(rest.numpy()[None], task.size)[0]
        assert (still == earlier).all()


def test_pictures_are_black_and_white_at_their_published_size(task):
    pictures = task.draw(np.array(task.goals), task.size)
    assert set(np.unique(pictures)) == {0, 255}
    assert task.size % 8 == 0


def test_places_within_one_pixel_are_drawn_alike():
    inside = whole_pixels(np.array([[3.1, 7.2], [3.9, 7.9], [4.1, 7.2]]), 48)
    assert (inside[0] == inside[1]).all()
    assert (inside[0] != inside[2]).any()
