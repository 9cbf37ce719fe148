import pytest
import torch
from torch import Tensor, distributions

from tests.worldmodel.examples import normal
from worldmodel.distributions import CorrelatedNormal, Normal, NormalLatent, kl, kl_per_dimension, stack, where

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def pair(*leading: int) -> tuple[Normal, Normal]:
    draw = [normal(*leading, 4, seed=seed) for seed in range(4)]
    return Normal(draw[0], draw[1].exp()), Normal(draw[2], draw[3].exp())


def torchs(one: Normal) -> distributions.Normal:
    return distributions.Normal(one.mean, one.std)


@pytest.mark.parametrize("leading", [(), (3,), (2, 5)])
def test_kl_is_that_of_torch(leading: tuple[int, ...]) -> None:
    q, p = pair(*leading)
    expected = distributions.kl_divergence(torchs(q), torchs(p))
    torch.testing.assert_close(kl_per_dimension(q, p), expected, **EXACT)
    torch.testing.assert_close(kl(q, p), expected.sum(-1), **EXACT)


def test_kl_by_hand_and_its_direction() -> None:
    """KL(N(1, 1) ‖ N(0, 2²)) = ln 2 + (1 + 1) / 8 - 1/2, and of a normal from itself zero."""
    q = Normal(torch.ones(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    p = Normal(torch.zeros(1, dtype=torch.float64), torch.full((1,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(kl(q, p), torch.tensor(2.0, dtype=torch.float64).log() - 0.25, **EXACT)
    assert kl(q, p) != kl(p, q)
    assert kl(q, q) == 0


@pytest.mark.parametrize("leading", [(), (3,), (2, 5)])
def test_log_prob_is_that_of_torch(leading: tuple[int, ...]) -> None:
    q, _ = pair(*leading)
    value = normal(*leading, 4, seed=9)
    torch.testing.assert_close(q.log_prob(value), torchs(q).log_prob(value).sum(-1), **EXACT)


def test_a_sample_is_the_mean_and_std_times_noise() -> None:
    q, _ = pair(3)
    noise = normal(3, 4, seed=9)
    torch.testing.assert_close(q.sample(noise), q.mean + q.std * noise, **EXACT)
    assert torch.equal(q.sample(), q.mean)


def test_samples_have_the_mean_and_the_std() -> None:
    q = Normal(torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0]))
    samples = q.sample(normal(40_000, 2, dtype=torch.float32))
    torch.testing.assert_close(samples.mean(0), q.mean, rtol=0, atol=0.05)
    torch.testing.assert_close(samples.std(0), q.std, rtol=0.02, atol=0)


def test_a_sample_has_the_gradient_of_its_parameters() -> None:
    mean, std = (x.requires_grad_() for x in pair(3)[0])
    noise = normal(3, 4, seed=9)
    by_mean, by_std = torch.autograd.grad(Normal(mean, std).sample(noise).sum(), [mean, std])
    assert torch.equal(by_mean, torch.ones_like(mean))
    torch.testing.assert_close(by_std, noise)


def test_detached_it_has_no_gradient() -> None:
    q = Normal(*(x.requires_grad_() for x in pair(3)[0])).detach()
    assert not any(part.requires_grad for part in q)
    assert isinstance(q.mean, Tensor)


def test_a_family_makes_normals_of_raw_outputs() -> None:
    """mean, raw = the halves; std = softplus(raw) + min_std."""
    family, raw = NormalLatent(stoch=4, min_std=0.01), 3 * normal(2, 5, 8)
    made = family(raw)
    assert family.statistics == 8
    torch.testing.assert_close(made.mean, raw[..., :4], rtol=0, atol=0)
    torch.testing.assert_close(made.std, (1 + raw[..., 4:].exp()).log() + 0.01, **EXACT)


def test_a_stack_is_of_the_same_kind() -> None:
    q, p = pair(3)
    both = stack([q, p], 1)
    assert isinstance(both, Normal)
    torch.testing.assert_close(both.mean, torch.stack([q.mean, p.mean], 1))
    torch.testing.assert_close(both.std, torch.stack([q.std, p.std], 1))


def test_there_is_no_kl_between_unlike_things() -> None:
    with pytest.raises(TypeError, match="no KL between tuple and Normal"):
        kl((), pair()[1])


def correlated(*leading: int) -> CorrelatedNormal:
    root = normal(*leading, 4, 4, seed=5)
    return CorrelatedNormal(normal(*leading, 4), root @ root.mT + 0.1 * torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("leading", [(), (3,), (2, 5)])
def test_the_kl_of_a_correlated_normal_is_that_of_torch(leading: tuple[int, ...]) -> None:
    q, p = correlated(*leading), pair(*leading)[1]
    multivariate = distributions.MultivariateNormal
    expected = distributions.kl_divergence(
        multivariate(q.mean, q.covariance), multivariate(p.mean, torch.diag_embed(p.std.square()))
    )
    torch.testing.assert_close(kl(q, p), expected, **EXACT)


def test_samples_of_a_correlated_normal_have_its_covariance() -> None:
    one = correlated()
    samples = one.sample(normal(40_000, 4))
    torch.testing.assert_close(samples.T.cov(), one.covariance, rtol=0.05, atol=0.1)
    assert torch.equal(one.sample(), one.mean)


def test_where_chooses_rows_and_broadcasts() -> None:
    q, p = pair(2, 3)
    one = Normal(q.mean[0, 0], q.std[0, 0])
    choice = torch.tensor([[True, False, False], [False, True, True]])
    found = where(choice, one, p)
    for part, first, other in zip(found, one, p, strict=True):
        assert torch.equal(part[choice], first.expand(3, 4))
        assert torch.equal(part[~choice], other[~choice])
