import torch
from torch import Tensor, distributions

from tests.worldmodel.examples import ACTION, normal, small_model, windows
from worldmodel.distributions import Normal, NormalLatent, kl
from worldmodel.dynamics.two_level import TwoLevelSSM
from worldmodel.interface import State

FIRST, SECOND, HIDDEN = 2, 3, 5


def two_level() -> TwoLevelSSM:
    torch.manual_seed(0)
    return TwoLevelSSM(NormalLatent(FIRST, 0.02), NormalLatent(SECOND, 0.03), ACTION, HIDDEN).double()


def points(rows: int) -> tuple[State, Tensor, Tensor]:
    stoch, noise = normal(rows, FIRST + SECOND), normal(rows, FIRST + SECOND, seed=3)
    return State(normal(rows, 0), stoch), normal(rows, ACTION, seed=2), noise


def levels(dynamics: TwoLevelSSM, z2: Tensor, action: Tensor, noise: Tensor) -> tuple[Normal, Tensor, Normal]:
    """p(z1' | z2, a), the z1' of the noise, and p(z2' | z1', z2, a), the networks written out."""
    cause = torch.cat([z2, action], 1)
    first = family(dynamics.stats(torch.nn.functional.elu(dynamics.inputs(cause))), 0.02)
    z1 = first.mean + first.std * noise[:, :FIRST]
    return first, z1, family(dynamics.second_net(torch.cat([z1, cause], 1)), 0.03)


def family(raw: Tensor, min_std: float) -> Normal:
    mean, raw_std = raw.chunk(2, -1)
    return Normal(mean, (1 + raw_std.exp()).log() + min_std)


def test_a_step_draws_one_level_after_the_other() -> None:
    dynamics, (state, action, noise) = two_level(), points(6)
    _, z1, second = levels(dynamics, state.stoch[:, FIRST:], action, noise)
    expected = torch.cat([z1, second.mean + second.std * noise[:, FIRST:]], 1)
    torch.testing.assert_close(dynamics.step(state, action, noise).stoch, expected)
    mean = dynamics.step(state, action).stoch
    torch.testing.assert_close(mean, dynamics.step(state, action, torch.zeros_like(noise)).stoch)


def test_the_first_level_of_the_state_before_tells_nothing() -> None:
    dynamics, (state, action, noise) = two_level(), points(6)
    other = state._replace(stoch=torch.cat([normal(6, FIRST, seed=9), state.stoch[:, FIRST:]], 1))
    assert torch.equal(dynamics.step(state, action, noise).stoch, dynamics.step(other, action, noise).stoch)
    assert not dynamics.linearize(state, action).A[..., :FIRST].any()


def test_the_kl_of_both_levels_is_that_of_the_first() -> None:
    """log q(z1, z2) - log p(z1, z2) at any sample has no z2 in it, for both draw z2 from the same network."""
    dynamics, (state, action, noise) = two_level(), points(6)
    deter, context = dynamics.advance(state, action)
    posterior = Normal(normal(6, FIRST, seed=5), normal(6, FIRST, seed=6).exp())
    after = dynamics.complete(deter, context, posterior, noise).stoch
    z1, z2 = after.split([FIRST, SECOND], 1)
    cause = torch.cat([state.stoch[:, FIRST:], action], 1)
    given = family(dynamics.second_net(torch.cat([z1, cause], 1)), 0.03)
    torch.testing.assert_close(z1, posterior.mean + posterior.std * noise[:, :FIRST])
    torch.testing.assert_close(z2, given.mean + given.std * noise[:, FIRST:], msg="z2 is the prior's")
    prior = dynamics.prior(context)
    expected = distributions.kl_divergence(distributions.Normal(*posterior), distributions.Normal(*prior)).sum(-1)
    torch.testing.assert_close(kl(posterior, prior), expected)


def test_the_whole_model_infers_the_first_level_alone() -> None:
    model, batch = small_model("two-level, state encoder"), windows(2, 5)
    noise = normal(2, 5, model.sizes.stoch)
    inferred, first = model.observe(batch, noise), model.dynamics.latent.stoch
    assert inferred.posterior.mean.shape == inferred.prior.mean.shape == (2, 5, first)
    z1 = inferred.posterior.mean + inferred.posterior.std * noise[..., :first]
    torch.testing.assert_close(inferred.states.stoch[..., :first], z1)
