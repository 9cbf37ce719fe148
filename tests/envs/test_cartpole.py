"""The cart-pole against conservation laws and small oscillations."""

import math

import numpy as np
import pytest
import torch

import envs
from envs.cartpole import CartPole


def run(task, state, steps, action=0.0):
    """States ``[steps + 1, ..., 4]`` under a constant action."""
    states = [torch.as_tensor(state, dtype=torch.float64)]
    push = torch.full((*states[0].shape[:-1], 1), action, dtype=torch.float64)
    for _ in range(steps):
        states.append(task.step(states[-1], push))
    return torch.stack(states)


def kinetic(states):
    """Kinetic energy in J: ``(M + m) v²/2 + m l cos(angle) v w + (4/3) m l² w²/2``."""
    _, angle, v, w = states.unbind(-1)
    return 1.1 * v**2 / 2 + 0.05 * torch.cos(angle) * v * w + 4 / 3 * 0.025 * w**2 / 2


def energy(states):
    return kinetic(states) + 0.05 * 9.8 * torch.cos(states[..., 1])


def test_energy_without_force_is_kept_as_the_step_gets_finer():
    errors = []
    for dt in (0.002, 0.0002):
        energies = energy(run(CartPole(dt=dt, repeat=1), [0.0, 1.0, 0.1, 0.0], round(1 / dt)))
        errors.append((energies - energies[0]).abs().max().item())
    assert errors[1] < 2e-3
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.25)


def test_horizontal_momentum_grows_by_the_force_alone():
    states = run(CartPole(dt=1e-4, repeat=10), [0.0, 2.5, 0.2, -1.0], 100, action=0.1)
    momentum = 1.1 * states[:, 2] + 0.05 * torch.cos(states[:, 1]) * states[:, 3]
    time = torch.arange(101).double() * 1e-3
    torch.testing.assert_close(momentum - momentum[0], 0.5 * time, atol=2e-3, rtol=0)


def test_small_oscillations_about_hanging():
    """``angle'' = - g angle / (l (4/3 - m / (M + m)))`` on a free cart."""
    period = 2 * math.pi / math.sqrt(9.8 / (0.5 * (4 / 3 - 0.1 / 1.1)))
    steps = 2000
    states = run(CartPole(dt=period / steps, repeat=1), [0.0, math.pi + 0.01, 0.0, 0.0], steps)
    torch.testing.assert_close(states[steps // 2, 1].item(), math.pi - 0.01, atol=1e-5, rtol=0)
    torch.testing.assert_close(states[steps, 1].item(), math.pi + 0.01, atol=1e-5, rtol=0)


def test_cart_held_at_the_stop_leaves_a_plain_pendulum():
    """``angle'' = - g angle / (4/3 l)`` about hanging: the stop carries the force, and the pole feels none of it."""
    period = 2 * math.pi / math.sqrt(9.8 / (4 / 3 * 0.5))
    steps = 4000
    states = run(CartPole(dt=period / steps, repeat=1), [1.1, math.pi + 0.05, 0.0, 0.0], steps, action=1.0)
    assert (states[:, 0] == 1.1).all()
    assert (states[:, 2] == 0).all()
    torch.testing.assert_close(states[steps // 2, 1].item(), math.pi - 0.05, atol=1e-3, rtol=0)
    torch.testing.assert_close(states[steps, 1].item(), math.pi + 0.05, atol=1e-3, rtol=0)


def test_a_blow_from_the_stop_takes_energy_and_keeps_the_poles_momentum():
    rng = np.random.default_rng(0)
    states = torch.from_numpy(rng.uniform(-1, 1, (200, 4)) * [0, 3, 1, 8])
    states[:, 0], states[:, 2] = 1.1 - 1e-9, 1.0 + states[:, 2].abs()
    after = CartPole(dt=1e-7, repeat=1).step(states, torch.zeros(200, 1).double())
    assert (after[:, 0] == 1.1).all()
    assert (after[:, 2] == 0).all()
    assert (kinetic(after) < kinetic(states)).all()
    before = 0.05 * torch.cos(states[:, 1]) * states[:, 2] + 4 / 3 * 0.025 * states[:, 3]
    torch.testing.assert_close(4 / 3 * 0.025 * after[:, 3], before, atol=1e-6, rtol=0)


def test_cart_never_leaves_the_rail_and_can_leave_the_stop():
    task = CartPole()
    assert run(task, [0.0, math.pi, 0.0, 0.0], 40, action=1.0)[:, 0].max() == task.rail
    assert run(task, [task.rail, math.pi, 0.0, 0.0], 5, action=-1.0)[-1, 0] < task.rail - 0.1


def test_pushing_right_tips_the_upright_pole_to_the_left():
    after = run(CartPole(), torch.zeros(4), 1, action=1.0)[1]
    assert after[0] > 0
    assert after[1] < 0


def test_reward_asks_for_upright_central_and_slow():
    states = [[0.0, 0.0, 0.0, 0.0], [0.0, math.pi, 0.0, 0.0], [1.1, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 8.0]]
    best, hanging, aside, fast = CartPole().reward(torch.tensor(states).double()).tolist()
    assert best == 1.0
    assert hanging < 0.05
    assert 0.1 < aside < 0.9
    assert 0.4 < fast < 0.7


def test_only_balancing_ends():
    states = torch.tensor([[0.0, 0.49, 0, 0], [0.0, -0.51, 0, 0], [1.1, 0, 0, 0], [-1.1, 0, 0, 0], [1.09, 0, 0, 0]])
    assert envs.task("cartpole-balance").terminated(states.double()).tolist() == [False, True, True, True, False]
    assert not envs.task("cartpole").terminated(states.double()).any()


@pytest.mark.parametrize("position", [-1.1, 0.0, 1.1])
@pytest.mark.parametrize("angle", [0.0, math.pi / 2, math.pi, -math.pi / 2])
def test_the_bob_is_in_view_wherever_the_pole_points(position, angle):
    """Nothing of the state but velocities is hidden: a pole outside of the picture cannot be filtered."""
    picture = CartPole().draw(np.array([[position, angle, 0.0, 0.0]]), 64)[0].astype(int)
    orange = (picture[..., 0] - picture[..., 2] > 120).sum()
    middle = (CartPole().draw(np.array([[0.0, math.pi, 0.0, 0.0]]), 64)[0].astype(int) @ [1, 0, -1] > 120).sum()
    assert middle > 20
    assert orange == pytest.approx(middle, rel=0.2)
