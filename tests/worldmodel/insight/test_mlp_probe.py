"""A perceptron reads what a line cannot, and nothing of noise."""

import numpy as np
import pytest

from worldmodel.insight.mlp_probe import mlp_r2
from worldmodel.insight.probes import linear_probe

EPISODE = np.repeat(np.arange(20), 40)


def test_what_is_curled_up_is_read_by_the_perceptron_alone() -> None:
    state = np.random.default_rng(0).uniform(-2, 2, (800, 1))
    latent = np.hstack([np.abs(state), np.sign(state) * 0.5])
    target = state**2 * np.sign(state) - 1.5 * state  # no straight line in the latent
    assert mlp_r2(latent, target, EPISODE)[0] > 0.95
    assert linear_probe(latent, target, EPISODE).r2[0] < 0.7


def test_noise_tells_nothing() -> None:
    rng = np.random.default_rng(1)
    assert mlp_r2(rng.normal(size=(800, 3)), rng.normal(size=(800, 1)), EPISODE)[0] < 0.1


def test_it_refuses_what_the_linear_probe_refuses() -> None:
    with pytest.raises(ValueError, match="A probe takes"):
        mlp_r2(np.zeros((4, 2)), np.zeros(4), np.arange(4))
