"""Futures drawn as the truth is are calibrated; narrower ones are overconfident."""

from types import SimpleNamespace

import numpy as np
import torch

from worldmodel.insight.calibration import coverage, places, sampled_futures
from worldmodel.interface import State

LEVELS = np.array([0.5, 0.9])


def drawn(width: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, width, (99, 4000))


def test_the_same_distribution_is_covered_as_it_says() -> None:
    truth = drawn(1.0, seed=1)[0]
    np.testing.assert_allclose(coverage(places(drawn(1.0, seed=2), truth), LEVELS), LEVELS, atol=0.03)


def test_overconfidence_and_caution_are_told_apart() -> None:
    truth = drawn(1.0, seed=1)[0]
    assert (coverage(places(drawn(0.3, seed=2), truth), LEVELS) < LEVELS - 0.2).all()
    assert (coverage(places(drawn(3.0, seed=2), truth), LEVELS) > LEVELS + 0.05).all()


def test_places() -> None:
    samples = np.array([[0.0], [1.0], [2.0]])
    assert [places(samples, np.array([x]))[0] for x in (-1.0, 1.0, 5.0)] == [0.125, 0.5, 0.875]


def test_futures_are_sampled_apart_and_repeatably() -> None:
    def rollout(state: State, actions: torch.Tensor, noise: torch.Tensor) -> State:
        walk = state.stoch[..., None, :] + (actions + noise).cumsum(-2)
        return State(walk[..., :0], walk)

    model = SimpleNamespace(sizes=SimpleNamespace(stoch=2), rollout=rollout)
    start = State(torch.zeros(3, 0), torch.arange(6.0).view(3, 2))
    first, again = (
        sampled_futures(model, start, torch.ones(3, 4, 2), 500, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
        for _ in range(2)
    )
    assert first.stoch.shape == (500, 3, 4, 2)
    assert torch.equal(first.stoch, again.stoch)
    assert abs(float((first.stoch[..., -1, :].mean(0) - start.stoch - 4).mean())) < 0.2
    assert abs(float(first.stoch[..., -1, :].std(0).mean()) - 2) < 0.1
