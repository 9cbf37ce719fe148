import pytest
import torch
from torch import distributions

from tests.worldmodel.examples import SIZE, normal, small_model, windows
from worldmodel.likelihoods import Bernoulli, Gaussian, OwnUnits, normal_nll, pixels_last

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def test_a_normal_likelihood_counts_its_constants() -> None:
    mean, value = normal(2, 3, 4), normal(2, 3, 4, seed=2)
    expected = -distributions.Normal(mean, 0.7).log_prob(value).sum(-1)
    torch.testing.assert_close(normal_nll(mean, value, 0.7), expected, **EXACT)


def test_pixels_are_flattened_channel_last() -> None:
    image = normal(2, 3, 4, 5)
    assert torch.equal(pixels_last(image), image.permute(0, 2, 3, 1).reshape(2, 60))


def test_the_likelihoods_of_images_are_those_of_torch() -> None:
    output, image = 3 * normal(2, 3, 4, 5), torch.rand(2, 3, 4, 5, dtype=torch.float64)
    expected = distributions.Normal(output, 0.3).log_prob(image).sum((-1, -2, -3))
    torch.testing.assert_close(Gaussian(0.3).nll(output, image), -expected, **EXACT)
    black_or_white = (image > 0.5).double()
    expected = distributions.Bernoulli(logits=output).log_prob(black_or_white).sum((-1, -2, -3))
    torch.testing.assert_close(Bernoulli().nll(output, black_or_white), -expected, **EXACT)


def test_a_grey_pixel_is_best_explained_by_its_own_brightness() -> None:
    grey, output = torch.full((1, 1, 1), 0.3, dtype=torch.float64), torch.zeros(1, 1, 1, requires_grad=True).double()
    best = torch.logit(grey).requires_grad_()
    torch.autograd.backward(Bernoulli().nll(best, grey))
    assert best.grad is not None
    assert best.grad.abs().item() < 1e-12
    assert Bernoulli().nll(output, grey) > Bernoulli().nll(best, grey)


def dots(count: int) -> torch.Tensor:
    """Pictures ``[count, 1, 2, 3]`` one pixel on half of the time, one seldom, the others grey."""
    images = torch.full((count, 1, 2, 3), 0.4, dtype=torch.float64)
    images[..., 0, 1] = (torch.arange(count) % 2 == 0).double()[:, None]
    images[..., 1, 2] = (torch.arange(count) % 25 == 0).double()[:, None]
    return images


def test_own_units_are_normals_of_as_many_deviations_as_pixels() -> None:
    likelihood, images = OwnUnits(0.3, (2, 3, 1)).double(), dots(100)
    likelihood.begin_with(images)
    output = normal(100, 1, 2, 3)
    deviation = images.std(0, correction=0).clamp(min=OwnUnits.least)
    std = 0.3 * deviation / deviation.square().mean().sqrt()
    expected = distributions.Normal(images.mean(0) + deviation * output, std).log_prob(images).sum((-1, -2, -3))
    torch.testing.assert_close(likelihood.nll(output, images), -expected, **EXACT)
    assert std.square().mean().sqrt().item() == pytest.approx(0.3)


def test_what_is_seldom_seen_counts_as_much_in_own_units_as_what_often_is() -> None:
    """Told apart from the mean, each pixel that changes explains as much; the one that never does, nothing."""
    likelihood, images = OwnUnits(0.1, (2, 3, 1)).double(), dots(100)
    likelihood.begin_with(images)
    told = (images - images.mean(0)) / images.std(0, correction=0).clamp(min=OwnUnits.least)
    nothing = torch.zeros_like(told)
    gains = []
    for row, column in ((0, 1), (1, 2), (0, 0)):
        one = nothing.clone()
        one[..., row, column] = told[..., row, column]
        gains.append((likelihood.nll(nothing, images) - likelihood.nll(one, images)).mean().item())
    often, seldom, never = gains
    assert often == pytest.approx(seldom)
    assert often > 1
    assert never == pytest.approx(0, abs=1e-9)


def test_own_units_begin_alike_and_are_kept_with_the_model() -> None:
    model, images = small_model(likelihood="own-units"), torch.rand(7, 3, SIZE, SIZE, dtype=torch.float64)
    assert isinstance(model.likelihood, OwnUnits)
    assert model.likelihood.deviation.unique().numel() == 1
    model.likelihood.begin_with(images)
    other = small_model(likelihood="own-units")
    other.load_state_dict(model.state_dict())
    state = model.observe(windows(2, 3)).states
    assert torch.equal(other.decode(state), model.decode(state))
    torch.testing.assert_close(model.likelihood.mean(torch.zeros(3, SIZE, SIZE)), images.mean(0), **EXACT)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_decoded_images_are_images(likelihood: str) -> None:
    """In [0, 1], and what the likelihood calls the mean."""
    model = small_model(likelihood=likelihood)
    state = model.observe(windows(2, 3)).states.map(lambda x: 20 * x)
    image, output = model.decode(state), model.decoder(state.vector)
    assert image.shape == (2, 3, 3, SIZE, SIZE)
    assert 0 <= image.min() <= image.max() <= 1
    assert (output.min() < 0) & (output.max() > 1), "the network alone goes further"
    torch.testing.assert_close(image, output.sigmoid() if likelihood == "bernoulli" else output.clamp(0, 1), **EXACT)
