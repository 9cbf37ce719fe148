"""The terms of the ELBO against closed forms, and the open-loop likelihoods against a plain loop."""

import pytest
import torch
from torch import Tensor, distributions

from tests.worldmodel import properties
from tests.worldmodel.examples import normal, small_model, starting_at, windows
from worldmodel.distributions import Normal, kl
from worldmodel.interface import State
from worldmodel.likelihoods import Gaussian
from worldmodel.objectives.elbo import Elbo, balanced_kl
from worldmodel.objectives.open_loop import one_episode
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE, actions_within, forget

EXACT = {"rtol": 1e-10, "atol": 1e-10}
TIME = 9
PLAIN = Elbo(free_nats=0.0, open_loop=0.0)


def observed(objective: Elbo) -> tuple[SequenceVAE, Batch, Tensor]:
    """A model, windows with terminations and a start in them, and noise for the posterior."""
    model, batch = small_model(), starting_at(windows(3, TIME), 4, 1)
    model.objective, model.likelihood = objective, Gaussian(0.3)
    terminated = torch.zeros_like(batch.terminated)
    terminated[0, -1] = terminated[1, 3] = True
    return model, batch._replace(terminated=terminated), normal(3, TIME, model.sizes.stoch)


def pixels(batch: Batch) -> Tensor:
    return batch.observation.double().permute(0, 1, 4, 2, 3) / 255


def test_the_likelihoods_are_those_of_torch() -> None:
    model, batch, noise = observed(PLAIN)
    terms, latent = model.losses(batch, noise), model.observe(batch, noise).states.vector
    image = distributions.Normal(model.decoder(latent), 0.3).log_prob(pixels(batch)).sum((-1, -2, -3))
    torch.testing.assert_close(terms["image"], -image, **EXACT)
    reward = distributions.Normal(model.heads.reward(latent), 0.1).log_prob(batch.reward)
    torch.testing.assert_close(terms["reward"], torch.where(batch.is_first, 0.0, -reward), **EXACT)
    goes_on = distributions.Bernoulli(logits=model.heads.continuation(latent))
    torch.testing.assert_close(terms["continuation"], -goes_on.log_prob((~batch.terminated).double()), **EXACT)


def test_the_kl_is_between_the_posterior_and_the_prior_one_step_before() -> None:
    model, batch, noise = observed(PLAIN)
    found, inferred = model.losses(batch, noise), model.observe(batch, noise)
    q, p = (distributions.Normal(one.mean, one.std) for one in (inferred.posterior, inferred.prior))
    torch.testing.assert_close(found["kl"], distributions.kl_divergence(q, p).sum(-1), **EXACT)
    torch.testing.assert_close(found["kl_loss"], found["kl"], **EXACT)
    assert not found["kl"].requires_grad
    before = inferred.states.map(lambda x: x[:, 1])
    deter, context = model.dynamics.advance(before, batch.action[:, 2])
    torch.testing.assert_close(inferred.prior.mean[:, 2], model.dynamics.prior(context).mean, **EXACT)
    torch.testing.assert_close(inferred.states.deter[:, 2], deter, **EXACT)
    sampled = inferred.posterior.mean + inferred.posterior.std * noise
    torch.testing.assert_close(inferred.states.stoch, sampled, **EXACT)


def test_without_open_loop_the_terms_are_the_elbo() -> None:
    model, batch, noise = observed(PLAIN)
    elbo = {"image", "reward", "continuation", "kl", "kl_loss"}
    assert set(model.losses(batch, noise, offset=99)) == elbo
    model.objective = Elbo(overshooting=0.5)
    assert set(model.losses(batch, noise)) == elbo | {"open_loop_image", "open_loop_reward", "overshooting"}


def pair() -> tuple[Normal, Normal]:
    mean, raw, prior_mean, prior_raw = (normal(5, 4, seed=seed).requires_grad_() for seed in range(4))
    return Normal(mean, raw.exp().detach().requires_grad_()), Normal(
        prior_mean, prior_raw.exp().detach().requires_grad_()
    )


@pytest.mark.parametrize("balance", [0.0, 0.3, 0.8, 1.0])
def test_the_balance_shares_the_gradient(balance: float) -> None:
    """The value is the KL whatever the balance; that share of its gradient goes to the prior, the rest to the other."""
    q, p = pair()
    torch.testing.assert_close(balanced_kl(q, p, balance, 0.0), kl(q, p), **EXACT)
    found = torch.autograd.grad(balanced_kl(q, p, balance, 0.0).sum(), [*q, *p])
    expected = torch.autograd.grad(kl(q, p).sum(), [*q, *p])
    for i, (one, whole) in enumerate(zip(found, expected, strict=True)):
        torch.testing.assert_close(one, whole * (1 - balance if i < 2 else balance), **EXACT)


def test_free_nats_cost_a_constant_and_have_no_gradient() -> None:
    q, p = pair()
    nats = kl(q, p).detach()
    free = float(nats.sort().values[1:3].mean())  # two of the five rows lie below
    loss = balanced_kl(q, p, 0.8, free)
    torch.testing.assert_close(loss, nats.clamp(min=free), **EXACT)
    for part in torch.autograd.grad(loss.sum(), [*q, *p]):
        assert torch.equal(part.any(-1), nats > free)


def test_forgetting_zeroes_the_chosen_rows_alone() -> None:
    model, _, _ = observed(PLAIN)
    state = properties.start(model, 3)
    for one, other in zip(forget(state, torch.tensor([False, True, False])), state, strict=True):
        assert not one[1].any()
        assert torch.equal(one[[0, 2]], other[[0, 2]])


def test_actions_before_a_window_or_an_episode_are_zeros() -> None:
    action, is_first = normal(2, 4, 2), torch.tensor([[0, 0, 1, 0], [1, 0, 0, 0]]).bool()
    found = actions_within(action, is_first)
    assert not found[0, [0, 2]].any()
    assert not found[1, 0].any()
    assert torch.equal(found[0, [1, 3]], action[0, [1, 3]])
    assert torch.equal(found[1, 1:], action[1, 1:])
    assert is_first.tolist() == [[False, False, True, False], [True, False, False, False]], "it is left as it was"


def test_beta_weighs_the_kl_that_is_trained() -> None:
    model, batch, noise = observed(PLAIN)
    once = model.losses(batch, noise)
    model.objective = Elbo(beta=0.3, free_nats=0.0, open_loop=0.0)
    torch.testing.assert_close(model.losses(batch, noise)["kl_loss"], 0.3 * once["kl_loss"], **EXACT)
    torch.testing.assert_close(model.losses(batch, noise)["kl"], once["kl"], **EXACT)


# --- open loop --------------------------------------------------------------------------------------------------------


def naive_open_loop(model: SequenceVAE, batch: Batch, states: State, offset: int) -> dict[str, Tensor]:
    """Row by row: step the prior's mean from the last restart, decode, add up; nothing over an episode's start."""
    objective, image, reward = model.objective, torch.zeros_like(batch.reward), torch.zeros_like(batch.reward)
    for i in range(len(batch.reward)):
        for row in range(offset + 1, TIME):
            start = offset + (row - offset - 1) // objective.open_loop_steps * objective.open_loop_steps
            if batch.is_first[i, start + 1 : row + 1].any():
                continue
            state = states.map(lambda x, i=i, start=start: x[i, start])
            for t in range(start + 1, row + 1):
                state = model.step(state, batch.action[i, t])
            paid = distributions.Normal(model.reward(state), model.reward_std)
            reward[i, row] = -objective.open_loop * paid.log_prob(batch.reward[i, row])
            since = row - offset - 1 - offset // objective.open_loop_images % objective.open_loop_images
            if since >= 0 and since % objective.open_loop_images == 0:
                seen = distributions.Normal(model.decoder(state.vector), 0.3)
                nll = -seen.log_prob(pixels(batch)[i, row]).sum()
                image[i, row] = objective.open_loop * objective.open_loop_images * nll
    return {"open_loop_image": image, "open_loop_reward": reward}


@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("steps", [1, 3, 20])
@torch.no_grad()
def test_open_loop_likelihoods_are_those_of_a_plain_loop(steps: int, stride: int) -> None:
    model, batch, noise = observed(Elbo(open_loop=0.7, open_loop_steps=steps, open_loop_images=stride))
    states = model.observe(batch, noise).states
    for offset in (0, 1, 2, 5, TIME - 2, TIME - 1):
        found, expected = model.losses(batch, noise, offset), naive_open_loop(model, batch, states, offset)
        for key, term in expected.items():
            torch.testing.assert_close(found[key], term, **EXACT, msg=lambda text, o=offset, k=key: f"{k} {o} {text}")
            assert not found[key][:, : offset + 1].any()


def test_each_later_row_is_predicted_once_and_images_by_their_weight() -> None:
    """Without starts in the windows every row after the offset has its reward; every n-th has its image, n times."""
    model, _, noise = observed(Elbo(open_loop_steps=3, open_loop_images=2))
    batch = windows(3, TIME)
    seen: set[int] = set()
    for offset in range(TIME):
        terms = model.losses(batch, noise, offset)
        assert (terms["open_loop_reward"][:, offset + 1 :] != 0).all()
        shown = terms["open_loop_image"].any(0).nonzero().flatten().tolist()
        assert shown == list(range(offset + 1 + offset // 2 % 2, TIME, 2))
        seen |= set(shown)
    assert seen == set(range(1, TIME)), "over all offsets every row has its image"


def test_images_and_rewards_weigh_the_same_on_average() -> None:
    """Over windows that hold a multiple of n later rows, weights of images add up to the number of those rows."""
    model, batch, noise = observed(Elbo(open_loop_steps=4, open_loop_images=4))
    offset = 0
    batch = batch._replace(is_first=torch.zeros_like(batch.is_first))
    once = model.observe(batch, noise).states.map(lambda x: x[:, [0, 4]])
    state = model.step(once, batch.action[:, [1, 5]])
    expected = 4 * model.image_nll(state.vector, pixels(batch)[:, [1, 5]])
    found = model.losses(batch, noise, offset)["open_loop_image"]
    torch.testing.assert_close(found[:, [1, 5]], expected, **EXACT)
    torch.testing.assert_close(found.sum(), expected.sum(), **EXACT)


@pytest.mark.parametrize("steps", [1, 2, 5, 30])
def test_stretches(steps: int) -> None:
    model = small_model()
    starts = starting_at(starting_at(windows(3, TIME), 4, 1), 0, 2).is_first
    for offset in range(TIME):
        properties.check_open_loop_is_repeated_steps(model, offset, steps)
        properties.check_no_stretch_reaches_over_a_start(starts, offset, steps)


def test_one_episode_by_hand() -> None:
    is_first = torch.tensor([[1, 0, 0, 0, 1, 0, 0]]).bool()
    assert one_episode(is_first, 1, 3).tolist() == [[False, False, True, True, False, True, True]]
    assert one_episode(is_first, 0, 2).tolist() == [[False, True, True, True, False, True, True]]


@pytest.mark.parametrize("offset", [-1, TIME, TIME + 5])
def test_an_offset_beyond_the_window_is_refused(offset: int) -> None:
    model, batch, noise = observed(Elbo())
    with pytest.raises(ValueError, match=rf"a row of the window, 0 to {TIME - 1}; got {offset}"):
        model.losses(batch, noise, offset)


def test_open_loop_teaches_the_state_that_it_starts_from() -> None:
    """Its gradient reaches the encoder: velocities are learnt so."""
    model, batch, noise = observed(Elbo())
    model.losses(batch, noise)["open_loop_reward"].sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.encoder.parameters())
