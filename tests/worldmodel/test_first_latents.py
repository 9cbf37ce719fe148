"""Latents that begin at a scale at which contrasts teach: exact in the data at hand, and learning gets going."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.worldmodel.examples import small_model
from worldmodel.build import ModelConfig, build
from worldmodel.first_latents import standardize
from worldmodel.fit import update
from worldmodel.objectives.pairs import led_to
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

SIZE, TIME = 16, 8
PAIRS = ModelConfig(dynamics="locally-linear", encoder="frame", stack=2, stoch=4, hidden=16, width=8, images="fine")
CONFIGS = {
    "pc3": replace(PAIRS, objective="pc3", consistency=1.0),
    "predictive": replace(PAIRS, objective="predictive", encoder="pose", consistency=0.3),
}
both = pytest.mark.parametrize("name", CONFIGS)


def turning_dots(seed: int, count: int = 48) -> Batch:
    """A dot on a circle, turned by some 0.4 rad a step: far, beside the benchmark's pendulum."""
    generator = torch.Generator().manual_seed(seed)
    action = 2 * torch.rand(count, TIME, 1, generator=generator) - 1
    speed = 0.4 * torch.randn(count, 1, generator=generator) + 0.2 * action[..., 0].cumsum(1)
    angle = 2 * math.pi * torch.rand(count, 1, generator=generator) + speed.cumsum(1)
    nothing = torch.zeros(count, TIME)
    is_first = nothing.bool()
    is_first[:, 0] = True
    return Batch(
        observation=drawn(angle),
        action=action,
        reward=nothing,
        terminated=nothing.bool(),
        is_first=is_first,
        valid=torch.ones_like(is_first),
        state=nothing[..., None],
    )


def drawn(angle: Tensor) -> Tensor:
    pixel = (torch.arange(SIZE) + 0.5) / SIZE
    row, column = (0.5 + 0.35 * place[..., None] for place in (angle.cos(), angle.sin()))
    bump_down, bump_right = (torch.exp(-(pixel - place).square() / 0.007) for place in (row, column))
    return (255 * bump_down[..., :, None] * bump_right[..., None, :]).to(torch.uint8)[..., None]


def fresh(name: str) -> SequenceVAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(CONFIGS[name], (SIZE, SIZE, 1), 1)


@both
def test_latents_begin_with_mean_0_and_std_1_and_the_prior_with_half_of_what_it_gets_wrong(name: str) -> None:
    model, batch = fresh(name), turning_dots(0)
    standardize(model, batch)
    inferred, pair = model.observe(batch), led_to(batch.is_first, 1)
    latent = inferred.posterior.mean[pair]
    level = slice(0, 2) if name == "predictive" else slice(0, 4)  # a change of pose has a mean of its own
    torch.testing.assert_close(latent[:, level].mean(0), torch.zeros_like(latent[0, level]), atol=0.1, rtol=0)
    torch.testing.assert_close(latent.square().mean(0), torch.ones(4), atol=0.1, rtol=0)
    wrong = (inferred.posterior.mean - inferred.prior.mean)[pair].square().mean(0).sqrt()
    torch.testing.assert_close(model.dynamics.process_noise.std, (wrong / 2).clamp(min=0.11), atol=1e-4, rtol=0)  # type: ignore[attr-defined]
    assert inferred.posterior.std.max() < 0.12


@both
def test_contrasts_teach_from_the_first_updates(name: str) -> None:
    """Without it they tell nothing after as many updates (0.1, 0.2): the latents have fallen together."""
    model, noise = fresh(name), torch.Generator().manual_seed(1)
    standardize(model, turning_dots(0))
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for number in range(60):
        batch = turning_dots(number, 24)
        losses = update(model, optimizer, batch, torch.randn(24, TIME, 4, generator=noise), 0, 1000.0).losses
    assert losses["contrast"] < -0.5


def test_models_whose_decoder_shapes_the_latent_are_left_alone() -> None:
    model, batch = small_model("pairs of E2C", dtype=torch.float32), turning_dots(0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    standardize(model, batch)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
