"""The evidence lower bound against the exact likelihood, where that is known: linear-Gaussian dynamics and decoder.

The bound is log p(x) minus KL(q(z_1:T) ‖ p(z_1:T | x_1:T)), and the posterior of the sequence factorises as
p(z_1 | x_1:T) · Π_t p(z_t | z_{t-1}, x_t:T). So it is touched by an encoder that sees z_{t-1} and *the future*, x_t:T
(Krishnan 2017). One that filters, q(z_t | z_{t-1}, x_1:t), stays below even if each of its factors is exact: to the
future images they are blind. It touches where the future has nothing to add: in the last row, or if an image fixes its
state. The filtered marginals p(z_t | x_1:t), each on its own, stay below for another reason besides: z_t and z_{t-1}
depend on each other.

The loss is quadratic in the posterior's noise here, so its expectation is the mean over two points per dimension
(McNamee & Stenger 1967): nothing below is sampled.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tests.worldmodel import kalman
from tests.worldmodel.examples import normal
from tests.worldmodel.kalman import System
from worldmodel.distributions import NormalLatent
from worldmodel.dynamics.linear_gaussian import LinearGaussian
from worldmodel.encoders.recurrent import RecurrentEncoder
from worldmodel.encoders.state import StateEncoder
from worldmodel.heads import Heads
from worldmodel.interface import State
from worldmodel.likelihoods import Gaussian
from worldmodel.objectives.elbo import Elbo
from worldmodel.replay import Batch
from worldmodel.sequence_vae import Encoder, SequenceVAE

STOCH, ACTION, TIME = 3, 2, 6
SHAPE = (2, 4, 1)  # height, width, channel
PIXELS, STD = math.prod(SHAPE), 0.1


class LinearDecoder(nn.Module):
    """x = C z + d."""

    def __init__(self, stoch: int, shape: tuple[int, int, int]):
        super().__init__()
        self.shape, self.linear = (shape[2], *shape[:2]), nn.Linear(stoch, math.prod(shape))

    def forward(self, latent: Tensor) -> Tensor:
        return self.linear(latent).unflatten(-1, self.shape)


class Exact(nn.Module):
    """q(z_t | z_{t-1}, x) ∝ p(z_t | z_{t-1}) times the evidence of the images that it sees; with a diagonal precision.

    ``seen`` is, for each dimension, how much of the predicted mean is kept, what is added to it, and the raw std.
    """

    memory, alone = 0, False

    def __init__(self, dynamics: LinearGaussian, decoder: LinearDecoder, future: bool):
        super().__init__()
        self.parts, self.future = (dynamics, decoder), future

    def features(self, image: Tensor) -> Tensor:
        return image.flatten(-3)

    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError("it looks ahead")

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        dynamics, decoder = self.parts
        one = system(dynamics, decoder)
        if self.future:
            evidence = kalman.evidence_of_the_future(one, dynamics.inputs(action), features)
        else:
            evidence = kalman.evidence_of_each_image(one, features)
        assert evidence.precision.diagonal(dim1=-2, dim2=-1).diag_embed().allclose(evidence.precision, atol=1e-9)
        own = torch.cat(
            [torch.ones(1, STOCH), 1 / dynamics.process_noise.std.square().expand(features.shape[1] - 1, -1)]
        )
        precision = own + evidence.precision.diagonal(dim1=-2, dim2=-1)
        kept = torch.cat([torch.zeros(1, STOCH), own[1:] / precision[1:]]).expand_as(evidence.pull)
        raw_std = inverse_softplus(precision.rsqrt() - dynamics.latent.min_std).expand_as(evidence.pull)
        return torch.cat([kept, evidence.pull / precision, raw_std], -1)

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        kept, added, raw_std = seen.chunk(3, -1)
        return torch.cat([kept * context + added, raw_std], -1)


class Affine(nn.Module):
    """Any posterior whose mean is affine in the prediction and the image: random weights."""

    memory, alone = 0, False

    def __init__(self, scale: float, seed: int):
        super().__init__()
        self.weight = scale * normal(STOCH, STOCH + PIXELS, seed=seed)
        self.raw_std = scale * normal(STOCH, seed=seed + 1)

    def features(self, image: Tensor) -> Tensor:
        return image.flatten(-3) - 0.5

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        return features

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        mean = torch.cat([context, seen], -1) @ self.weight.T
        return torch.cat([mean, self.raw_std.expand_as(mean)], -1)


def inverse_softplus(x: Tensor) -> Tensor:
    return x + torch.log(-torch.expm1(-x))


def rotating(min_std: float = 1e-3) -> tuple[LinearGaussian, LinearDecoder]:
    """Dynamics that turn and shrink the latent, a decoder with orthogonal columns: posteriors without correlations."""
    dynamics, decoder = linear_parts(NormalLatent(STOCH, min_std), SHAPE)
    with torch.no_grad():
        dynamics.A.copy_(0.9 * torch.linalg.qr(normal(STOCH, STOCH)).Q)
        dynamics.process_noise.raw_std.fill_(-1.5)
        decoder.linear.weight.copy_(0.4 * torch.linalg.qr(normal(PIXELS, STOCH, seed=2)).Q)
    return dynamics, decoder


def linear_parts(latent: NormalLatent, shape: tuple[int, int, int]) -> tuple[LinearGaussian, LinearDecoder]:
    torch.manual_seed(0)
    dynamics, decoder = LinearGaussian(latent, ACTION).double(), LinearDecoder(latent.stoch, shape).double()
    with torch.no_grad():
        decoder.linear.bias.fill_(0.5)
    return dynamics, decoder


def general() -> tuple[LinearGaussian, LinearDecoder]:
    dynamics, decoder = rotating()
    with torch.no_grad():
        dynamics.A.add_(0.2 * normal(STOCH, STOCH, seed=3))
        dynamics.process_noise.raw_std.add_(normal(STOCH, seed=4))
        decoder.linear.weight.add_(0.1 * normal(PIXELS, STOCH, seed=5))
    return dynamics, decoder


def system(dynamics: LinearGaussian, decoder: LinearDecoder) -> System:
    weight, bias = decoder.linear.weight.detach(), decoder.linear.bias.detach()
    return System(dynamics.A.detach(), torch.diag(dynamics.process_noise.std.detach().square()), weight, bias, STD)


def vae(encoder: Encoder, dynamics: LinearGaussian, decoder: LinearDecoder, shape: tuple = SHAPE) -> SequenceVAE:
    heads, objective = Heads(dynamics.stoch, 4).double(), Elbo(free_nats=0.0, balance=0.0, open_loop=0.0)
    return SequenceVAE(encoder, dynamics, decoder, heads, shape, objective, Gaussian(STD), 0.1)


def windows(observation: Tensor, seed: int = 0) -> Batch:
    """Images ``[batch, time, height, width, channel]`` and random actions."""
    lead = observation.shape[:2]
    action = torch.rand(*lead, ACTION, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1
    nothing, state = torch.zeros(lead, dtype=torch.bool), torch.zeros(*lead, 0, dtype=torch.float64)
    return Batch(observation, action, torch.zeros(lead, dtype=torch.float64), nothing, nothing, state, ~nothing)


def random_windows(batch: int, time: int = TIME) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return windows(torch.randint(0, 256, (batch, time, *SHAPE), generator=generator, dtype=torch.uint8))


def log_likelihood(model: SequenceVAE, batch: Batch) -> Tensor:
    pixels = batch.observation.double().flatten(2) / 255
    with torch.no_grad():
        pushes = model.dynamics.inputs(batch.action)
    return kalman.log_likelihood(system(model.dynamics, model.decoder), pushes, pixels)


def elbo(model: SequenceVAE, batch: Batch, noise: Tensor | None) -> Tensor:
    terms = model.losses(batch, noise)
    return -(terms["image"] + terms["kl"]).sum(1)


@torch.no_grad()
def expected_elbo(model: SequenceVAE, batch: Batch) -> Tensor:
    """Its exact expectation over the posterior's noise, ``[batch]``."""
    (rows, time), stoch = batch.reward.shape, model.sizes.stoch
    dimensions = time * stoch
    points = math.sqrt(dimensions) * torch.cat([torch.eye(dimensions), -torch.eye(dimensions)]).double()
    noise = points.view(-1, time, stoch).repeat_interleave(rows, 0)
    copies = Batch(*(field.repeat(2 * dimensions, *[1] * (field.dim() - 1)) for field in batch))
    return elbo(model, copies, noise).view(2 * dimensions, rows).mean(0)


def test_a_step_is_its_equation_written_out() -> None:
    """z' = A z + B a + c + std e."""
    dynamics, _ = general()
    z, action, noise = normal(4, STOCH), normal(4, ACTION, seed=2), normal(4, STOCH, seed=3)
    std = (1 + dynamics.process_noise.raw_std.exp()).log() + dynamics.latent.min_std
    mean = z @ dynamics.A.T + action @ dynamics.inputs.weight.T + dynamics.inputs.bias
    torch.testing.assert_close(dynamics.step(State(z[:, :0], z), action, noise).stoch, mean + std * noise)


def test_the_filter_is_the_density_of_the_whole_sequence() -> None:
    """Kalman's sum against the one normal that all images of a sequence follow together."""
    one, time = system(*general()), 3
    identity = torch.eye(STOCH, dtype=torch.float64)
    covariance, spread = torch.zeros(time * STOCH, time * STOCH, dtype=torch.float64), identity
    for t in range(time):
        spread = identity if t == 0 else one.A @ spread @ one.A.T + one.Q
        for later in range(t, time):
            block = torch.linalg.matrix_power(one.A, later - t) @ spread
            covariance[later * STOCH : (later + 1) * STOCH, t * STOCH : (t + 1) * STOCH] = block
            covariance[t * STOCH : (t + 1) * STOCH, later * STOCH : (later + 1) * STOCH] = block.T
    decode = torch.block_diag(*[one.C] * time)
    noise = STD**2 * torch.eye(time * PIXELS, dtype=torch.float64)
    pushes, pixels = normal(4, time, STOCH), normal(4, time, PIXELS, seed=2)
    mean = torch.zeros(4, time, STOCH, dtype=torch.float64)
    for t in range(1, time):
        mean[:, t] = mean[:, t - 1] @ one.A.T + pushes[:, t]
    joint = torch.distributions.MultivariateNormal(
        mean.flatten(1) @ decode.T + one.d.repeat(time), decode @ covariance @ decode.T + noise
    )
    expected = joint.log_prob(pixels.flatten(1))
    torch.testing.assert_close(kalman.log_likelihood(one, pushes, pixels), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("time", [1, 2, TIME])
def test_the_bound_touches_the_likelihood_at_the_exact_posterior(time: int) -> None:
    parts, batch = rotating(), random_windows(4, time)
    model = vae(Exact(*parts, future=True), *parts)
    exact = log_likelihood(model, batch)
    torch.testing.assert_close(expected_elbo(model, batch), exact, rtol=0, atol=1e-6)
    assert exact.abs().min() > 1


def test_the_exact_filter_stays_below_but_for_the_last_row() -> None:
    """Its factors know nothing of later images; where there are none it is the exact posterior."""
    parts = rotating()
    model = vae(Exact(*parts, future=False), *parts)
    one_row, batch = random_windows(4, 1), random_windows(4)
    torch.testing.assert_close(expected_elbo(model, one_row), log_likelihood(model, one_row), rtol=0, atol=1e-6)
    assert (expected_elbo(model, batch) < log_likelihood(model, batch) - 0.1).all()


def test_the_filter_touches_where_an_image_fixes_its_state() -> None:
    """The gap closes as the images become precise beside the noise of the transitions."""
    gaps = []
    for growth in (1, 10, 100):
        parts, batch = rotating(), random_windows(4)
        with torch.no_grad():
            parts[1].linear.weight.mul_(growth)
        model = vae(Exact(*parts, future=False), *parts)
        gaps.append((log_likelihood(model, batch) - expected_elbo(model, batch)).mean())
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2] > 0


@pytest.mark.parametrize("parts", [rotating, general])
@pytest.mark.parametrize("scale", [0.0, 0.1, 0.5])
def test_no_posterior_exceeds_the_likelihood(parts: type, scale: float) -> None:
    made, batch = parts(), random_windows(3)
    for seed in range(10):
        model = vae(Affine(scale, seed), *made)
        assert (expected_elbo(model, batch) < log_likelihood(model, batch)).all()


def test_two_points_a_dimension_are_the_expectation() -> None:
    parts, batch = general(), random_windows(1)
    model = vae(Affine(0.1, 0), *parts)
    copies = Batch(*(field.expand(20_000, *field.shape[1:]) for field in batch))
    with torch.no_grad():
        sampled = elbo(model, copies, normal(20_000, TIME, STOCH))
    error = sampled.std() / math.sqrt(20_000)
    assert abs(sampled.mean() - expected_elbo(model, batch)) < 4 * error


# --- learning ---------------------------------------------------------------------------------------------------------

LARGE = (8, 8, 1)
HIDDEN = 32


def generated(dynamics: LinearGaussian, decoder: LinearDecoder, batch: int, time: int, seed: int) -> Batch:
    """Sequences of the model itself, to the nearest byte."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    blank = windows(torch.zeros(batch, time, *LARGE, dtype=torch.uint8), seed)
    first = State(draw(batch, 0), draw(batch, dynamics.stoch))
    with torch.no_grad():
        later = dynamics.rollout(first, blank.action[:, 1:], draw(batch, time - 1, dynamics.stoch))
        latent = torch.cat([first.stoch[:, None], later.stoch], 1)
        pixels = decoder(latent) + STD * draw(batch, time, 1, *LARGE[:2])
    return blank._replace(observation=(255 * pixels).round().clamp(0, 255).byte().movedim(2, -1))


def encoder(name: str) -> Encoder:
    flat, pixels = nn.Flatten(-3), math.prod(LARGE)
    if name == "state":
        return StateEncoder(flat, pixels, STOCH, 2 * STOCH, HIDDEN).double()
    return RecurrentEncoder(flat, pixels, 2 * STOCH, ACTION, HIDDEN).double()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["state", "recurrent"])
def test_a_trained_encoder_comes_within_a_hundredth_of_the_likelihood(name: str) -> None:
    """On sequences that it has not seen; images are precise here, so that a filter can (see above, and docs/log.md)."""
    (dynamics, decoder), time, updates = precise(), 8, 1000
    model = vae(encoder(name), dynamics, decoder, LARGE)
    optimizer = torch.optim.Adam(model.encoder.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for update in range(updates):
        batch = generated(dynamics, decoder, 64, time, seed=update)
        terms = model.losses(batch, normal(64, time, STOCH, seed=update))
        optimizer.zero_grad()
        (terms["image"] + terms["kl_loss"]).sum(1).mean().backward()
        optimizer.step()
        schedule.step()
    held_out = generated(dynamics, decoder, 200, time, seed=10**6)
    with torch.no_grad():
        found, exact = elbo(model, held_out, normal(200, time, STOCH)).mean(), log_likelihood(model, held_out).mean()
    assert 0 < exact - found < 0.01 * exact


def precise() -> tuple[LinearGaussian, LinearDecoder]:
    """As `rotating`, with 64 pixels."""
    dynamics, decoder = linear_parts(NormalLatent(STOCH, 1e-3), LARGE)
    with torch.no_grad():
        dynamics.A.copy_(0.9 * torch.linalg.qr(normal(STOCH, STOCH)).Q)
        dynamics.process_noise.raw_std.fill_(-1.5)
        decoder.linear.weight.copy_(torch.linalg.qr(normal(math.prod(LARGE), STOCH, seed=2)).Q)
    return dynamics, decoder
