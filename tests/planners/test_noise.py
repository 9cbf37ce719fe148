from __future__ import annotations

import pytest
import torch
from torch import Generator

from planners.noise import Coloured, colouring, uniform, white


@pytest.mark.parametrize("horizon", [1, 2, 5, 12, 31])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.5])
def test_coloured_noise_has_unit_variance_at_every_step(horizon: int, exponent: float) -> None:
    variance = colouring(horizon, exponent, torch.float64, torch.device("cpu")).square().sum(1)
    torch.testing.assert_close(variance, torch.ones_like(variance))


def test_exponent_zero_is_white_noise() -> None:
    draws = Coloured(0.0)((4, 9, 2), Generator().manual_seed(0), torch.float64)
    torch.testing.assert_close(draws, white((4, 9, 2), Generator().manual_seed(0), torch.float64))


def test_the_spectrum_falls_as_the_power_law_says() -> None:
    noise = Coloured(2.0)((20000, 16, 1), Generator().manual_seed(0), torch.float64)[..., 0]
    power = torch.fft.rfft(noise).abs().square().mean(0)[1:-1]
    frequency = torch.fft.rfftfreq(16, dtype=torch.float64)[1:-1]
    torch.testing.assert_close(power / power[0], (frequency / frequency[0]) ** -2.0, rtol=0.1, atol=0)


def test_samples_and_action_dimensions_are_independent() -> None:
    noise = Coloured(3.0)((20000, 8, 2), Generator().manual_seed(0), torch.float64)
    assert (noise[:, :, 0] * noise[:, :, 1]).mean().abs() < 0.03
    assert (noise[1:] * noise[:-1]).mean().abs() < 0.03


def test_uniform_fills_the_limits_and_no_more() -> None:
    draws = uniform((5000, 2, 1), Generator().manual_seed(0), torch.float32)
    assert draws.abs().max() <= 1
    assert draws.min() < -0.99
    assert draws.max() > 0.99
    assert draws.var().item() == pytest.approx(1 / 3, abs=0.02)
