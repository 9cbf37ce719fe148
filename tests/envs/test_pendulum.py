"""The pendulum against what is known of pendulums."""

import math

import pytest
import torch
from scipy.special import ellipk

from envs.pendulum import Pendulum


def run(pendulum, state, steps, action=0.0):
    """States ``[steps + 1, 2]`` under a constant action."""
    states = [torch.tensor(state, dtype=torch.float64)]
    push = torch.tensor([action], dtype=torch.float64)
    for _ in range(steps):
        states.append(pendulum.step(states[-1], push))
    return torch.stack(states)


def energy(states):
    """Over the moment of inertia: ``velocity² / 2 + 3 g / (2 l) cos(angle)``."""
    return states[..., 1] ** 2 / 2 + 15 * torch.cos(states[..., 0])


def test_energy_without_torque_is_kept_as_the_step_gets_finer():
    errors = []
    for dt in (0.01, 0.001):
        energies = energy(run(Pendulum(dt=dt, repeat=1), [1.0, 0.0], round(3 / dt)))
        errors.append((energies - energies[0]).abs().max().item())
    assert errors[1] < 0.05
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.2)  # of first order


@pytest.mark.parametrize("amplitude", [0.1, 1.0, 2.5])
def test_period_is_the_elliptic_integral(amplitude):
    period = 4 * ellipk(math.sin(amplitude / 2) ** 2) / math.sqrt(15)
    steps = 4000
    states = run(Pendulum(dt=period / steps, repeat=1), [math.pi + amplitude, 0.0], steps)
    assert states[steps // 2, 0].item() == pytest.approx(math.pi - amplitude, abs=2e-3)
    assert states[steps, 0].item() == pytest.approx(math.pi + amplitude, abs=2e-3)
    assert states[steps, 1].item() == pytest.approx(0.0, abs=0.02)


def test_full_torque_rests_far_below_the_horizontal():
    rest = math.pi + math.asin(6 / 15)
    torch.testing.assert_close(run(Pendulum(), [rest, 0.0], 1, action=1.0)[1], torch.tensor([rest, 0.0]).double())
    assert math.degrees(rest - math.pi) < 24


@pytest.mark.parametrize("action", [-1.0, 1.0])
def test_constant_full_torque_never_lifts_it_to_the_horizontal(action):
    assert (torch.cos(run(Pendulum(), [math.pi, 0.0], 200, action)[:, 0]) < 0).all()


def test_upright_at_rest_stays_and_pays_one_while_hanging_pays_next_to_nothing():
    pendulum = Pendulum()
    torch.testing.assert_close(run(pendulum, [0.0, 0.0], 5)[-1], torch.zeros(2).double())
    reward = pendulum.reward(torch.tensor([[0.0, 0.0], [0.24, 3.0], [math.pi, 0.0], [2 * math.pi, 0.0]]).double())
    assert reward[[0, 1, 3]].tolist() == [1.0, 1.0, 1.0]
    short_of_the_goal = math.cos(math.radians(14)) + 1  # a Gaussian that is 0.1 at 1.5
    assert reward[2].item() == pytest.approx(0.1 ** ((short_of_the_goal / 1.5) ** 2), rel=1e-9)
    assert reward[2] < 0.02


def test_angle_is_never_wrapped_and_speed_is_bounded():
    states = run(Pendulum(), [1.0, 7.9], 100, action=1.0)
    assert states[-1, 0] > 4 * math.pi
    assert states[:, 1].abs().max() <= 8
