"""The squashed normal against torch's own, and the actor that puts it out."""

import pytest
import torch
from torch.distributions import Normal as TorchNormal
from torch.distributions import TanhTransform, TransformedDistribution

from planners.actor_critic.actor import Actor, Choice, TanhNormal
from worldmodel.distributions import Normal
from worldmodel.interface import State


def squashed() -> tuple[TanhNormal, TransformedDistribution]:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(64, 3, dtype=torch.float64, generator=generator)
    std = 0.1 + torch.rand(64, 3, dtype=torch.float64, generator=generator)
    return TanhNormal(Normal(mean, std)), TransformedDistribution(TorchNormal(mean, std), [TanhTransform()])


def test_log_probabilities_are_those_of_torchs_transformed_distribution() -> None:
    ours, theirs = squashed()
    action, raw = ours.sample(torch.randn(64, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(ours.log_prob(raw), theirs.log_prob(action).sum(-1))


def test_far_out_log_probabilities_stay_finite_with_their_gradients() -> None:
    mean = torch.zeros(2, 1, requires_grad=True)
    log_prob = TanhNormal(Normal(mean, torch.ones(2, 1))).log_prob(torch.tensor([[30.0], [-30.0]]))
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(mean.grad).all()


def test_samples_are_differentiable_in_mean_and_std() -> None:
    mean, std = torch.zeros(1, 1, requires_grad=True), torch.ones(1, 1, requires_grad=True)
    TanhNormal(Normal(mean, std)).sample(torch.full((1, 1), 0.5))[0].sum().backward()
    slope = 1 - torch.tanh(torch.tensor(0.5)) ** 2
    assert mean.grad.item() == pytest.approx(slope.item())
    assert std.grad.item() == pytest.approx(0.5 * slope.item())


def test_an_untrained_actor_does_the_same_everywhere_and_leans_nowhere() -> None:
    policy = Actor(5, 2, [8])(State(torch.randn(4, 3), torch.randn(4, 2)))
    assert torch.equal(policy.mode, torch.zeros(4, 2))
    assert torch.equal(policy.normal.std, policy.normal.std[:1, :1].expand(4, 2))


def test_the_std_keeps_its_limits() -> None:
    actor = Actor(1, 1, [], min_std=0.3)
    torch.nn.init.constant_(actor.net[-1].bias, -100.0)
    assert actor(State(torch.zeros(1, 0), torch.zeros(1, 1))).normal.std.item() == pytest.approx(0.3)


def test_a_std_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"min_std must be in \(0, 1"):
        Actor(1, 1, [], min_std=0.0)


def test_choices_are_drawn_by_their_probabilities_and_judged_as_torch_judges_them() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()
    noise = torch.randn(20_000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    policy = Choice(logits.expand(20_000, 3))
    action, raw = policy.sample(noise)
    theirs = torch.distributions.OneHotCategorical(logits=logits)
    torch.testing.assert_close(action.mean(0), logits.exp(), atol=0.01, rtol=0)
    torch.testing.assert_close(policy.log_prob(raw), theirs.log_prob(action))
    torch.testing.assert_close(policy.entropy(noise)[0], theirs.entropy())
    assert policy.mode[0].tolist() == [1, 0, 0]
