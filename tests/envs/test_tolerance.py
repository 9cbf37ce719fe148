"""The one reward function."""

import pytest
import torch

from envs.reward import tolerance


def test_known_values():
    x = torch.tensor([-2.0, -1.0, 0.5, 2.0, 3.0, 4.0], dtype=torch.float64)
    value = tolerance(x, lower=-1.0, upper=2.0, margin=1.0, value_at_margin=0.1)
    torch.testing.assert_close(value, torch.tensor([0.1, 1, 1, 1, 0.1, 0.1**4], dtype=torch.float64))


def test_falls_with_the_distance_and_stays_within_zero_and_one():
    value = tolerance(torch.linspace(0, 50, 400), lower=0.0, upper=1.0, margin=3.0)
    assert (value.diff() <= 0).all()
    assert value.min() >= 0
    assert value.max() == 1


def test_gradient_is_finite_everywhere_and_zero_inside():
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0, 300.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(tolerance(x, 0.0, 1.0, 1.0).sum(), x)
    assert gradient.isfinite().all()
    assert gradient[0] > 0
    assert (gradient[1:4] == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2.0, 1.0, 1.0), "lower=2.0, upper=1.0"),
        ((0.0, 1.0, 0.0), "margin=0.0"),
        ((0.0, 1.0, 1.0, 1.0), "value_at_margin=1.0"),
    ],
)
def test_senseless_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tolerance(torch.zeros(1), *arguments)
