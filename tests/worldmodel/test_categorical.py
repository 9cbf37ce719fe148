"""Categorical latents and points: sampling, gradients and KL against closed forms."""

import math

import pytest
import torch
from torch import distributions

from tests.worldmodel.examples import normal
from worldmodel.distributions import CategoricalLatent, Point, PointLatent, exponential, kl

EXACT = {"rtol": 1e-10, "atol": 1e-10}
GROUPS, CLASSES = 3, 4
FAMILY = CategoricalLatent(GROUPS, CLASSES)


def test_a_hundredth_of_the_probability_is_spread_evenly() -> None:
    raw = 5 * normal(2, GROUPS * CLASSES)
    own = raw.view(2, GROUPS, CLASSES).softmax(-1)
    assert (FAMILY.stoch, FAMILY.statistics) == (12, 12)
    torch.testing.assert_close(FAMILY(raw).probabilities, 0.99 * own + 0.01 / CLASSES, **EXACT)
    certain = FAMILY(torch.tensor([1e4, 0, 0, 0] * GROUPS)).probabilities
    torch.testing.assert_close(certain[0], torch.tensor([0.9925, 0.0025, 0.0025, 0.0025]))


@pytest.mark.parametrize("leading", [(), (3,), (2, 5)])
def test_kl_is_that_of_torch(leading: tuple[int, ...]) -> None:
    q, p = (FAMILY(normal(*leading, GROUPS * CLASSES, seed=seed)) for seed in (1, 2))
    expected = distributions.kl_divergence(*(distributions.Categorical(one.probabilities) for one in (q, p)))
    torch.testing.assert_close(kl(q, p), expected.sum(-1), **EXACT)


def test_kl_by_hand() -> None:
    """A fair coin against odds of three to one: ½ ln(½ / ¾) + ½ ln(½ / ¼) = ½ ln(4/3)."""
    coin = CategoricalLatent(1, 2, unimix=0.0)
    q, p = coin(torch.zeros(2, dtype=torch.float64)), coin(torch.tensor([3.0, 1.0], dtype=torch.float64).log())
    torch.testing.assert_close(kl(q, p), torch.tensor(0.5 * math.log(4 / 3), dtype=torch.float64), **EXACT)
    assert kl(q, q) == 0


def test_the_kl_has_the_gradient_of_the_formula() -> None:
    """d KL / d (logits of p) = p - q with free logits, unimix 0."""
    free = CategoricalLatent(GROUPS, CLASSES, unimix=0.0)
    raw_q, raw_p = normal(5, 12), normal(5, 12, seed=2).requires_grad_()
    q, p = free(raw_q), free(raw_p)
    (found,) = torch.autograd.grad(kl(q, p).sum(), raw_p)
    torch.testing.assert_close(found, (p.probabilities - q.probabilities).flatten(-2), **EXACT)


def test_samples_are_one_hot_and_as_frequent_as_their_probability() -> None:
    one = FAMILY(normal(GROUPS * CLASSES))
    samples = FAMILY(normal(GROUPS * CLASSES).expand(40_000, -1)).sample(normal(40_000, 12, seed=3))
    groups = samples.view(-1, GROUPS, CLASSES)
    assert set(samples.unique().tolist()) == {0.0, 1.0}
    assert (groups.sum(-1) == 1).all()
    torch.testing.assert_close(groups.mean(0), one.probabilities, rtol=0, atol=4 * 0.5 / 200)


def test_without_noise_it_is_the_mode() -> None:
    raw = normal(7, GROUPS * CLASSES)
    for found in (FAMILY(raw).sample(), FAMILY(raw).sample(torch.zeros_like(raw))):
        assert torch.equal(found.view(7, GROUPS, CLASSES).argmax(-1), raw.view(7, GROUPS, CLASSES).argmax(-1))


@pytest.mark.parametrize("noisy", [False, True])
def test_the_gradient_goes_straight_through(noisy: bool) -> None:
    """d (w · sample) / d raw_i = 0.99 π_i (w_i - Σ_j π_j w_j), π the softmax of the raw outputs."""
    raw, weight = normal(5, 12).requires_grad_(), normal(12, seed=2)
    noise = normal(5, 12, seed=3) if noisy else None
    sample = FAMILY(raw).sample(noise)
    assert torch.equal(sample, FAMILY(raw.detach()).sample(noise)), "the value is one-hot to the bit"
    (found,) = torch.autograd.grad((sample * weight).sum(), raw)
    own, w = raw.detach().view(5, GROUPS, CLASSES).softmax(-1), weight.view(GROUPS, CLASSES)
    expected = 0.99 * own * (w - (own * w).sum(-1, keepdim=True))
    torch.testing.assert_close(found, expected.flatten(-2), **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_noise_is_exponential(dtype: torch.dtype) -> None:
    """Median ln 2, mean and variance 1; exact and finite as far as noise ever reaches."""
    found = exponential(normal(100_000, dtype=dtype))
    assert abs(found.median().item() - math.log(2)) < 0.01
    assert abs(found.mean().item() - 1) < 0.015
    assert abs(found.var().item() - 1) < 0.05
    far = torch.tensor([-10.0, -6.0, 0.0, 6.0, 10.0], dtype=torch.float64)
    torch.testing.assert_close(exponential(far.to(dtype)).double(), -torch.special.log_ndtr(far), rtol=1e-5, atol=0)
    beyond = exponential(torch.tensor([-40.0, 40.0], dtype=dtype))
    assert beyond.isfinite().all()
    assert beyond[0] > 80
    assert 0 < beyond[1] < 1e-30


def test_detached_it_has_no_gradient() -> None:
    for family in (FAMILY, PointLatent(12)):
        assert not any(part.requires_grad for part in family(normal(12).requires_grad_()).detach())


def test_a_point_is_its_own_sample() -> None:
    value = normal(5, 3)
    one = PointLatent(3)(value)
    assert PointLatent(3).statistics == 3
    assert one.sample() is value
    assert one.sample(normal(5, 3, seed=2)) is value


def test_the_kl_of_points_is_that_of_unit_normals_around_them() -> None:
    q, p = normal(5, 3), normal(5, 3, seed=2)
    expected = distributions.kl_divergence(distributions.Normal(q, 1), distributions.Normal(p, 1)).sum(-1)
    torch.testing.assert_close(kl(Point(q), Point(p)), expected, **EXACT)
