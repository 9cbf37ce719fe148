from __future__ import annotations

import math

import pytest
import torch

from planners.refit import best_of, elite_weights, smoothing, weighted_mean, weighted_std

FALLING = torch.tensor([[3.0, 2.0, 1.0, -math.inf], [0.0, -math.inf, -math.inf, -math.inf]])


def test_the_best_come_first() -> None:
    candidates = torch.arange(24.0).view(2, 3, 2, 2)
    elites, top = best_of(candidates, torch.tensor([[1.0, 3.0, 2.0], [0.0, -math.inf, 5.0]]), 2)
    assert top.tolist() == [[3, 2], [5, 0]]
    assert torch.equal(elites[0], candidates[0, [1, 2]])
    assert torch.equal(elites[1], candidates[1, [2, 0]])


def test_elites_count_alike_and_only_if_finite() -> None:
    torch.testing.assert_close(elite_weights(FALLING), torch.tensor([[1 / 3, 1 / 3, 1 / 3, 0], [1, 0, 0, 0]]))


def test_with_a_temperature_elites_count_by_score() -> None:
    torch.testing.assert_close(elite_weights(FALLING, 0.5), torch.softmax(FALLING / 0.5, -1))


@pytest.mark.parametrize("temperature", [math.inf, 0.1])
def test_where_nothing_is_finite_there_are_no_weights(temperature: float) -> None:
    assert elite_weights(torch.full((1, 4), -math.inf), temperature).isnan().all()


def test_huge_scores_do_not_overflow() -> None:
    assert elite_weights(torch.tensor([[1e30, 1e30, -1e30]]), temperature=1e-3).tolist() == [[0.5, 0.5, 0]]
    assert elite_weights(torch.tensor([[3e38, -3e38]]), temperature=1e-3).tolist() == [[1, 0]]


def test_moments_are_weighted() -> None:
    elites = torch.tensor([0.0, 1.0, 4.0])[None, :, None, None].expand(1, 3, 2, 2)
    weights = torch.tensor([[0.5, 0.5, 0.0]])
    mean = weighted_mean(elites, weights)
    torch.testing.assert_close(mean, torch.full((1, 2, 2), 0.5))
    torch.testing.assert_close(weighted_std(elites, weights, mean), torch.full((1, 2, 2), 0.5))


def test_smoothing_leaves_parabolas_and_damps_zigzag() -> None:
    matrix, steps = smoothing(10, 5, torch.float64, torch.device("cpu")), torch.arange(10, dtype=torch.float64)
    torch.testing.assert_close(matrix @ steps**2, steps**2)
    zigzag = (-1.0) ** steps
    assert (matrix @ zigzag).abs().max() < 0.9
