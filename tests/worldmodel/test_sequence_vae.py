"""The terms of the ELBO against closed forms, and the open-loop likelihoods against a plain loop."""

import pytest
import torch
from torch import Tensor, distributions

from tests.worldmodel import properties
from tests.worldmodel.examples import normal, small_model, starting_at, windows
from worldmodel.distributions import Normal, kl
from worldmodel.interface import State
from worldmodel.replay import Batch
from worldmodel.sequence_vae import (
    LossScales,
    SequenceVAE,
    balanced_kl,
    forget,
    normal_nll,
    one_episode,
    pixels_last,
)

EXACT = {"rtol": 1e-10, "atol": 1e-10}
TIME = 9
PLAIN = LossScales(image_std=0.3, reward_std=0.1, free_nats=0.0, open_loop=0.0)


def observed(scales: LossScales) -> tuple[SequenceVAE, Batch, Tensor]:
    """A model, windows with terminations and a start in them, and noise for the posterior."""
    model, batch = small_model(), starting_at(windows(3, TIME), 4, 1)
    model.scales = scales
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
    assert set(model.losses(batch, noise, offset=99)) == {"image", "reward", "continuation", "kl", "kl_loss"}


def pair() -> tuple[Normal, Normal]:
    mean, raw, prior_mean, prior_raw = (normal(5, 4, seed=seed).requires_grad_() for seed in range(4))
    return Normal(mean, raw.exp().detach().requires_grad_()), Normal(
        prior_mean, prior_raw.exp().detach().requires_grad_()
    )


@pytest.mark.parametrize("balance", [0.0, 0.3, 0.8, 1.0])
def test_the_balance_shares_the_gradient(balance: float) -> None:
    """The value is the KL whatever the balance; that share of its gradient goes to the prior, the rest to the other."""
    q, p = pair()
    scales = LossScales(free_nats=0.0, balance=balance)
    torch.testing.assert_close(balanced_kl(q, p, scales), kl(q, p), **EXACT)
    found = torch.autograd.grad(balanced_kl(q, p, scales).sum(), [*q, *p])
    expected = torch.autograd.grad(kl(q, p).sum(), [*q, *p])
    for i, (one, whole) in enumerate(zip(found, expected, strict=True)):
        torch.testing.assert_close(one, whole * (1 - balance if i < 2 else balance), **EXACT)


def test_free_nats_cost_a_constant_and_have_no_gradient() -> None:
    q, p = pair()
    nats = kl(q, p).detach()
    free = float(nats.sort().values[1:3].mean())  # two of the five rows lie below
    scales = LossScales(free_nats=free, balance=0.8)
    loss = balanced_kl(q, p, scales)
    torch.testing.assert_close(loss, nats.clamp(min=free), **EXACT)
    for part in torch.autograd.grad(loss.sum(), [*q, *p]):
        assert torch.equal(part.any(-1), nats > free)


def test_a_normal_likelihood_counts_its_constants() -> None:
    mean, value = normal(2, 3, 4), normal(2, 3, 4, seed=2)
    expected = -distributions.Normal(mean, 0.7).log_prob(value).sum(-1)
    torch.testing.assert_close(normal_nll(mean, value, 0.7), expected, **EXACT)


def test_pixels_are_flattened_channel_last() -> None:
    image = normal(2, 3, 4, 5)
    assert torch.equal(pixels_last(image), image.permute(0, 2, 3, 1).reshape(2, 60))


def test_forgetting_zeroes_the_chosen_rows_alone() -> None:
    model, _, _ = observed(PLAIN)
    belief, action = model.initial(3)._replace(state=properties.start(model, 3)), normal(3, 2)
    chosen = torch.tensor([False, True, False])
    new, new_action = forget(belief, action, chosen)
    for one, other in zip((*new.state, new_action), (*belief.state, action), strict=True):
        assert not one[1].any()
        assert torch.equal(one[[0, 2]], other[[0, 2]])


# --- open loop --------------------------------------------------------------------------------------------------------


def naive_open_loop(model: SequenceVAE, batch: Batch, states: State, offset: int) -> dict[str, Tensor]:
    """Row by row: step the prior's mean from the last restart, decode, add up; nothing over an episode's start."""
    scales, image, reward = model.scales, torch.zeros_like(batch.reward), torch.zeros_like(batch.reward)
    for i in range(len(batch.reward)):
        for row in range(offset + 1, TIME):
            start = offset + (row - offset - 1) // scales.open_loop_steps * scales.open_loop_steps
            if batch.is_first[i, start + 1 : row + 1].any():
                continue
            state = states.map(lambda x, i=i, start=start: x[i, start])
            for t in range(start + 1, row + 1):
                state = model.step(state, batch.action[i, t])
            paid = distributions.Normal(model.reward(state), scales.reward_std)
            reward[i, row] = -scales.open_loop * paid.log_prob(batch.reward[i, row])
            since = row - offset - 1 - offset // scales.open_loop_images % scales.open_loop_images
            if since >= 0 and since % scales.open_loop_images == 0:
                seen = distributions.Normal(model.decoder(state.vector), scales.image_std)
                nll = -seen.log_prob(pixels(batch)[i, row]).sum()
                image[i, row] = scales.open_loop * scales.open_loop_images * nll
    return {"open_loop_image": image, "open_loop_reward": reward}


@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("steps", [1, 3, 20])
@torch.no_grad()
def test_open_loop_likelihoods_are_those_of_a_plain_loop(steps: int, stride: int) -> None:
    scales = LossScales(open_loop=0.7, open_loop_steps=steps, open_loop_images=stride)
    model, batch, noise = observed(scales)
    states = model.observe(batch, noise).states
    for offset in (0, 1, 2, 5, TIME - 2, TIME - 1):
        found, expected = model.losses(batch, noise, offset), naive_open_loop(model, batch, states, offset)
        for key, term in expected.items():
            torch.testing.assert_close(found[key], term, **EXACT, msg=lambda text, o=offset, k=key: f"{k} {o} {text}")
            assert not found[key][:, : offset + 1].any()


def test_each_later_row_is_predicted_once_and_images_by_their_weight() -> None:
    """Without starts in the windows every row after the offset has its reward; every n-th has its image, n times."""
    scales = LossScales(open_loop_steps=3, open_loop_images=2, image_std=0.3)
    model, _, noise = observed(scales)
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
    model, batch, noise = observed(LossScales(open_loop_steps=4, open_loop_images=4))
    offset = 0
    batch = batch._replace(is_first=torch.zeros_like(batch.is_first))
    once = model.observe(batch, noise).states.map(lambda x: x[:, [0, 4]])
    state = model.step(once, batch.action[:, [1, 5]])
    expected = 4 * model._image_nll(state.vector, pixels(batch)[:, [1, 5]])
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
    model, batch, noise = observed(LossScales())
    with pytest.raises(ValueError, match=rf"a row of the window, 0 to {TIME - 1}; got {offset}"):
        model.losses(batch, noise, offset)


def test_open_loop_teaches_the_state_that_it_starts_from() -> None:
    """Its gradient reaches the encoder: velocities are learnt so."""
    model, batch, noise = observed(LossScales())
    model.losses(batch, noise)["open_loop_reward"].sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.encoder.parameters())
