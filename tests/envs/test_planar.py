"""The planar system: free moves, walls, obstacles, start states."""

import itertools
import math

import numpy as np
import torch

from envs.planar import OBSTACLES, Planar

TASK = Planar()
BLOCKED = TASK.obstacle + TASK.dot


def go(point, action):
    return TASK.step(torch.tensor(point, dtype=torch.float64), torch.tensor(action, dtype=torch.float64))


def distances(points):
    """``[..., obstacle]`` from the centres."""
    return (points[..., None, :] - torch.tensor(OBSTACLES, dtype=torch.float64)).norm(dim=-1)


def test_blocked_discs_are_apart_and_within_the_walls():
    assert all(math.dist(a, b) > 2 * BLOCKED for a, b in itertools.combinations(OBSTACLES, 2))
    margin = TASK.dot + BLOCKED
    assert all(margin <= value <= 1 - margin for centre in OBSTACLES for value in centre)
    assert all(math.dist(TASK.goal, centre) > BLOCKED for centre in OBSTACLES)


def test_in_free_space_the_action_is_the_displacement():
    torch.testing.assert_close(go([0.1, 0.1], [1.0, -0.5]), torch.tensor([0.17, 0.065]).double())


def test_walls_stop_the_dot():
    torch.testing.assert_close(go([0.1, 0.93], [-1.0, 1.0]), torch.tensor([TASK.dot, 1 - TASK.dot]).double())


def test_head_on_the_dot_stops_at_the_surface():
    x, y = OBSTACLES[0]
    at = go([x - BLOCKED - 0.01, y], [1.0, 0.0])
    torch.testing.assert_close(at, torch.tensor([x - BLOCKED, y]).double())
    torch.testing.assert_close(go(at.tolist(), [1.0, 0.0]), at)


def test_off_centre_the_dot_slides_round():
    x, y = OBSTACLES[0]
    state = torch.tensor([x - BLOCKED - 0.01, y + 0.03]).double()
    for _ in range(8):
        state = TASK.step(state, torch.tensor([1.0, 0.0]).double())
    assert state[0] > x + BLOCKED


def test_no_move_enters_an_obstacle_or_leaves_the_square():
    rng = np.random.default_rng(0)
    state = torch.from_numpy(np.stack([TASK.initial(rng) for _ in range(300)]))
    for _ in range(30):
        state = TASK.step(state, torch.from_numpy(np.sign(rng.uniform(-1, 1, (300, 2)))))
        assert (distances(state) > BLOCKED - 1e-9).all()
        assert ((state > TASK.dot - 1e-9) & (state < 1 - TASK.dot + 1e-9)).all()


def test_no_move_jumps_through_an_obstacle():
    rng = np.random.default_rng(1)
    state = torch.from_numpy(np.stack([TASK.initial(rng) for _ in range(2000)]))
    after = TASK.step(state, torch.from_numpy(rng.uniform(-1, 1, (2000, 2))))
    offset = torch.tensor(OBSTACLES).double()
    sides = ((state[:, None] - offset) * (after[:, None] - offset)).sum(-1)
    touched = distances(after) < BLOCKED + 1e-9
    assert touched.any()
    assert (sides[touched] > 0).all()


def test_starts_are_free_spread_out_and_away_from_the_goal():
    rng = np.random.default_rng(2)
    starts = torch.from_numpy(np.stack([TASK.initial(rng) for _ in range(500)]))
    assert (distances(starts) > BLOCKED).all()
    assert (starts - torch.tensor(TASK.goal)).norm(dim=-1).min() > 1 / 3
    assert (starts.min(0).values < 0.12).all()
    assert (starts.max(0).values > 0.85).all()


def test_reward_is_one_at_the_goal_and_falls_away_from_it():
    points = torch.tensor([TASK.goal, (0.82, 0.82), (0.7, 0.7), (0.4, 0.6), (0.07, 0.07)]).double()
    reward = TASK.reward(points)
    assert reward[:2].tolist() == [1.0, 1.0]
    assert (reward[1:].diff() < 0).all()
    assert 0 < reward[-1] < 0.02
    state = torch.tensor(TASK.goal, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(TASK.reward(state), state)
    assert gradient.isfinite().all()
