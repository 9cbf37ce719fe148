from __future__ import annotations

import math

import pytest
import torch

from planners.refit import elite_weights, moments, smoothing

SCORES = torch.tensor([[1.0, 3.0, 2.0, -math.inf], [0.0, -math.inf, -math.inf, -math.inf]])


def test_elites_count_alike_and_only_if_finite() -> None:
    assert elite_weights(SCORES, 2).tolist() == [[0, 0.5, 0.5, 0], [1, 0, 0, 0]]
    torch.testing.assert_close(elite_weights(SCORES, 4)[0], torch.tensor([1 / 3, 1 / 3, 1 / 3, 0]))


def test_with_a_temperature_elites_count_by_score() -> None:
    expected = torch.softmax(torch.tensor([3.0, 2.0]) / 0.5, 0)
    weights = elite_weights(SCORES, 2, temperature=0.5)
    torch.testing.assert_close(weights[0, 1:3], expected)
    assert weights[0, [0, 3]].tolist() == [0, 0]
    torch.testing.assert_close(elite_weights(SCORES, 4, 0.5)[0], torch.softmax(SCORES[0] / 0.5, 0))


@pytest.mark.parametrize("temperature", [math.inf, 0.1])
@pytest.mark.parametrize("elites", [2, 4])
def test_where_nothing_is_finite_nothing_counts(elites: int, temperature: float) -> None:
    weights = elite_weights(torch.full((1, 4), -math.inf), elites, temperature)
    assert weights.tolist() == [[0, 0, 0, 0]]


def test_huge_scores_do_not_overflow() -> None:
    weights = elite_weights(torch.tensor([[1e30, 1e30, -1e30]]), 3, temperature=1e-3)
    assert weights.tolist() == [[0.5, 0.5, 0]]


def test_moments_are_weighted() -> None:
    candidates = torch.tensor([0.0, 1.0, 4.0])[None, :, None, None].expand(1, 3, 2, 2)
    mean, std = moments(candidates, torch.tensor([[0.5, 0.5, 0.0]]))
    torch.testing.assert_close(mean, torch.full((1, 2, 2), 0.5))
    torch.testing.assert_close(std, torch.full((1, 2, 2), 0.5))


def test_smoothing_leaves_parabolas_and_damps_zigzag() -> None:
    matrix, steps = smoothing(10, 5, torch.float64, torch.device("cpu")), torch.arange(10, dtype=torch.float64)
    torch.testing.assert_close(matrix @ steps**2, steps**2)
    zigzag = (-1.0) ** steps
    assert (matrix @ zigzag).abs().max() < 0.9
