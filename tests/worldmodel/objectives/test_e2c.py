"""Each term against torch's distributions, and the transition against samples."""

import torch
from torch import Tensor, distributions

from tests.worldmodel.examples import normal, small_model, starting_at, windows
from worldmodel.distributions import Normal
from worldmodel.objectives.e2c import E2C
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

EXACT = {"rtol": 1e-9, "atol": 1e-9}
NAME, TIME = "locally linear, stack of frames", 6


def observed(objective: E2C) -> tuple[SequenceVAE, Batch, Tensor]:
    """A model of two frames, windows with a start in them, and noise."""
    model, batch = small_model(NAME), starting_at(windows(3, TIME), 3, 1)
    model.objective = objective
    return model, batch, normal(3, TIME, model.sizes.stoch)


def test_the_terms_are_those_of_the_paper() -> None:
    model, batch, noise = observed(E2C(beta=0.5, consistency=0.3, incomplete=1))
    found, inferred = model.losses(batch, noise), model.observe(batch, noise)
    q, pixels = inferred.posterior, batch.observation.double().movedim(-1, -3) / 255
    expected = distributions.kl_divergence(distributions.Normal(*q), distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(found["standard_kl"], 0.5 * expected, **EXACT)
    torch.testing.assert_close(found["image"], model.image_nll(inferred.states.vector, pixels), **EXACT)

    z, std, pair = inferred.states.stoch, model.dynamics.process_noise.std, torch.zeros(3, TIME, dtype=torch.bool)
    pair[:, 2:] = True
    pair[1, 3] = False
    for i, t in pair.nonzero().tolist():
        A, B, o = model.dynamics.matrices(z[i, t - 1])
        u = batch.action[i, t]
        predicted = A @ z[i, t - 1] + B @ u + o + std * noise[i, t]
        nll = model.image_nll(predicted, pixels[i, t])
        torch.testing.assert_close(found["predicted_image"][i, t], nll, **EXACT)
        mean = A @ q.mean[i, t - 1] + B @ u + o
        covariance = A @ torch.diag(q.std[i, t - 1].square()) @ A.T + torch.diag(std.square())
        after = distributions.MultivariateNormal(q.mean[i, t], torch.diag(q.std[i, t].square()))
        kl = distributions.kl_divergence(distributions.MultivariateNormal(mean, covariance), after)
        torch.testing.assert_close(found["consistency"][i, t], 0.3 * kl, **EXACT)
    for name in ("predicted_image", "consistency"):
        assert torch.equal(found[name] != 0, pair), name


@torch.no_grad()
def test_the_pushed_normal_is_that_of_samples() -> None:
    """z ~ N(μ, Σ), then ẑ = A z + B u + o + noise with the matrices held: 400,000 samples."""
    model, batch, _ = observed(E2C())
    belief, u, generator = Normal(normal(3), normal(3, seed=2).exp()), batch.action[0, 1], torch.Generator()
    pushed = model.dynamics.propagate(belief, u)
    A, B, o = model.dynamics.matrices(belief.mean)
    noise = torch.randn(2, 400_000, 3, generator=generator.manual_seed(0), dtype=torch.float64)
    arrived = (belief.mean + belief.std * noise[0]) @ A.T + B @ u + o + model.dynamics.process_noise.std * noise[1]
    scale = float(pushed.covariance.abs().max())
    torch.testing.assert_close(arrived.mean(0), pushed.mean, rtol=0.01, atol=0.01 * scale**0.5)
    torch.testing.assert_close(torch.cov(arrived.T), pushed.covariance, rtol=0.02, atol=0.01 * scale)


@torch.no_grad()
def test_a_sample_that_is_pushed_is_one_of_the_pushed_normal() -> None:
    """What the image is predicted from, averaged over noise, has the pushed normal's mean."""
    model, batch, _ = observed(E2C())
    q = model.observe(batch).posterior
    noise = normal(20_000, 3)
    before = Normal(q.mean[0, 1], q.std[0, 1])
    A, B, o = model.dynamics.matrices(before.mean)
    arrived = before.sample(noise) @ A.T + B @ batch.action[0, 2] + o
    pushed = model.dynamics.propagate(before, batch.action[0, 2])
    error = (arrived.mean(0) - pushed.mean).abs() / arrived.std(0)
    assert error.max() < 4 / 20_000**0.5
