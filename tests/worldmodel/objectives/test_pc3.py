import math

import pytest
import torch
from torch import Tensor, distributions

from tests.worldmodel.examples import normal, small_model, starting_at, windows
from worldmodel.distributions import Normal
from worldmodel.objectives.pc3 import PC3, contrast, pairwise_log_prob
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

EXACT = {"rtol": 1e-9, "atol": 1e-9}
NAME, TIME = "locally linear, stack of frames", 6


def observed(objective: PC3) -> tuple[SequenceVAE, Batch, Tensor]:
    model, batch = small_model(NAME), starting_at(windows(3, TIME), 3, 1)
    model.objective = objective
    valid = batch.valid.clone()
    valid[2, 4:] = False
    return model, batch._replace(valid=valid), normal(3, TIME, model.sizes.stoch)


def test_every_prior_scores_every_latent() -> None:
    p, values = Normal(normal(5, 3), normal(5, 3, seed=2).exp()), normal(5, 3, seed=3)
    expected = distributions.Normal(p.mean[:, None], p.std[:, None]).log_prob(values[None]).sum(-1)
    torch.testing.assert_close(pairwise_log_prob(p, values), expected, **EXACT)


def test_the_contrast_is_written_out() -> None:
    model, batch, noise = observed(PC3(consistency=2.0, incomplete=1))
    found, inferred = model.losses(batch, noise), model.observe(batch, noise)
    pair = batch.valid.clone()
    pair[:, :2] = pair[1, 3] = False
    where = pair.nonzero().tolist()
    p = distributions.Normal(*inferred.prior)
    for i, t in where:
        one = distributions.Normal(p.mean[i, t], p.stddev[i, t])
        own = one.log_prob(inferred.states.stoch[i, t]).sum()
        others = torch.stack([one.log_prob(inferred.states.stoch[j, s]).sum() for j, s in where])
        torch.testing.assert_close(found["contrast"][i, t], others.exp().mean().log() - own, **EXACT)
        torch.testing.assert_close(found["consistency"][i, t], -2 * own, **EXACT)
    assert torch.equal(found["contrast"] != 0, pair)


@pytest.mark.parametrize("pairs", [0, 1, 12])
def test_it_is_bounded_by_the_number_of_pairs(pairs: int) -> None:
    """Latents that no other prior explains reach the bound, -log K; where nothing is a pair, nothing is lost."""
    pair = torch.arange(12).view(3, 4) < pairs
    mean = 100 * torch.arange(12.0).view(3, 4, 1)
    _, loss = contrast(Normal(mean, torch.ones(3, 4, 1)), mean, pair)
    torch.testing.assert_close(loss, torch.where(pair, -math.log(max(1, pairs)), 0.0))


def test_decoder_and_heads_only_look() -> None:
    model, batch, noise = observed(PC3())
    terms = model.losses(batch, noise)
    (terms["image"] + terms["reward"] + terms["continuation"]).sum().backward()
    assert all(parameter.grad is None for part in (model.encoder, model.dynamics) for parameter in part.parameters())
    assert all(parameter.grad.any() for part in (model.decoder, model.heads) for parameter in part.parameters())
