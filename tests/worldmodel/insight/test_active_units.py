"""Planted dimensions: alive, collapsed, and one that moves only as the prior says."""

import numpy as np
import pytest
import torch

from worldmodel.distributions import Normal, kl_per_dimension
from worldmodel.insight.active_units import active_units

ROWS = 500


def planted() -> tuple[Normal, Normal]:
    """Dimension 0 tells the state, 1 is dead, 2 moves, but the prior knew."""
    state = torch.randn(ROWS, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(ROWS)
    posterior = Normal(torch.stack([state, nothing, state], -1), torch.tensor([0.1, 1.0, 0.5]).expand(ROWS, 3))
    prior = Normal(torch.stack([nothing, nothing, state], -1), torch.tensor([1.0, 1.0, 0.5]).expand(ROWS, 3))
    return posterior, prior


def test_a_dead_dimension_is_reported_dead() -> None:
    posterior, prior = planted()
    found = active_units(kl_per_dimension(posterior, prior).numpy(), posterior.mean.numpy())
    assert found.active.tolist() == [True, False, False]
    expected = 0.5 * (0.01 + float(posterior.mean[:, 0].square().mean()) - 1) + np.log(10)
    assert found.kl[0] == pytest.approx(expected, rel=1e-4)
    assert found.kl[1] == 0
    assert found.variance[2] > 0.8


def test_rows_must_match() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(4, 3\) came"):
        active_units(np.zeros((4, 2)), np.zeros((4, 3)))
