"""E2C's transition against torch's full-covariance normal and against samples."""

import pytest
import torch
from torch import Tensor, distributions

from tests.worldmodel.examples import normal
from worldmodel.distributions import Normal
from worldmodel.objectives.e2c import pushed_kl

EXACT = {"rtol": 1e-10, "atol": 1e-10}
LATENT = 4


def problem(noise: float = 0.3) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Normal]:
    """Mean, variance, noise variance, v, r and target of five transitions."""
    mean, spread, v, r, target, raw = (normal(5, LATENT, seed=seed) for seed in range(6))
    h = noise * normal(5, LATENT, seed=7).exp()
    return mean, spread.exp(), h, v, r, Normal(target, raw.exp())


def covariance(variance: Tensor, noise: Tensor, v: Tensor, r: Tensor) -> Tensor:
    A = torch.eye(LATENT, dtype=v.dtype) + v[..., :, None] * r[..., None, :]
    return A @ torch.diag_embed(variance) @ A.mT + torch.diag_embed(noise)


@pytest.mark.parametrize("noise", [1e-12, 0.01, 1.0])
def test_it_is_the_kl_of_full_covariances(noise: float) -> None:
    mean, variance, h, v, r, target = problem(noise)
    pushed = distributions.MultivariateNormal(mean, covariance(variance, h, v, r))
    fixed = distributions.MultivariateNormal(target.mean, torch.diag_embed(target.std.square()))
    expected = distributions.kl_divergence(pushed, fixed)
    found = pushed_kl(mean, variance, h, v, r, target)
    torch.testing.assert_close(found, expected, rtol=1e-6 if noise < 1e-6 else 1e-10, atol=1e-10)
    assert (found > 0).all()


def test_it_is_zero_between_equals() -> None:
    mean, variance, h, v, _, _ = problem()
    nothing = torch.zeros_like(v)
    found = pushed_kl(mean, variance, h, nothing, nothing, Normal(mean, (variance + h).sqrt()))
    torch.testing.assert_close(found, torch.zeros(5).double(), **EXACT)


def test_the_covariance_is_that_of_samples() -> None:
    """z ~ N(μ, S), then z' = A z + noise: 400,000 samples."""
    _, variance, h, v, r, _ = (x[0] if isinstance(x, Tensor) else x for x in problem())
    expected, generator = covariance(variance, h, v, r), torch.Generator().manual_seed(0)
    noise = torch.randn(2, 400_000, LATENT, generator=generator, dtype=torch.float64)
    z = variance.sqrt() * noise[0]
    arrived = z + (z @ r)[:, None] * v + h.sqrt() * noise[1]
    torch.testing.assert_close(torch.cov(arrived.T), expected, rtol=0.02, atol=0.02 * float(expected.abs().max()))
