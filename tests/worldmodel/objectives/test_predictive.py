"""The shape that the predictive objective gives a latent, against values known beforehand."""

import math

import pytest
import torch

from worldmodel.objectives.predictive import distance_to_unit


def test_unit_covariance_is_at_distance_zero():
    angle = torch.arange(8) * (2 * math.pi / 8)
    circle = math.sqrt(2) * torch.stack([angle.sin(), angle.cos()], dim=-1)
    assert distance_to_unit(circle) == pytest.approx(0, abs=1e-10)


def test_distance_of_a_stretched_and_shifted_circle():
    angle = torch.arange(8) * (2 * math.pi / 8)
    circle = math.sqrt(2) * torch.stack([2 * angle.sin(), angle.cos()], dim=-1) + torch.tensor([0.0, 3.0])
    assert distance_to_unit(circle) == pytest.approx((4 - 1) ** 2 + 3**2, rel=1e-5)


def test_latents_that_lie_together_or_on_a_line_are_away_from_unity():
    assert distance_to_unit(torch.zeros(5, 3)) == 3
    line = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    assert distance_to_unit(line) == 2
