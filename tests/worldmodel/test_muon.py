"""Muon: what it makes of a gradient, which weights it leaves to Adam, and that its state is all there is to resume."""

import copy

import pytest
import torch
from torch import Tensor, nn

from worldmodel.build import ModelConfig, build
from worldmodel.muon import UPDATE_RMS, Muon, by_adam, is_matrix, orthogonal

RATE = 0.01


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(8, 8), (4, 32), (32, 4)])
def test_a_matrix_keeps_its_singular_vectors_and_loses_its_scales(shape: tuple[int, int]) -> None:
    left, _, right = torch.linalg.svd(random(*shape), full_matrices=False)
    found = orthogonal(left * torch.logspace(0, -2, min(shape)) @ right)
    inner = left.mT @ found @ right.mT
    values = inner.diagonal()
    torch.testing.assert_close(inner, torch.diag(values), atol=1e-4, rtol=0)
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_nothing_stays_nothing() -> None:
    assert not orthogonal(torch.zeros(3, 5)).any()


def stepped(weight: nn.Parameter, *gradients: Tensor) -> Tensor:
    """How far ``weight`` went."""
    before, optimizer = weight.detach().clone(), Muon([weight], RATE)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach() - before


def test_a_step_has_adams_size_whatever_the_gradients() -> None:
    for scale in (1e-3, 1e3):
        moved = stepped(nn.Parameter(random(64, 16)), scale * random(64, 16))
        assert moved.square().mean().sqrt().item() == pytest.approx(RATE * UPDATE_RMS, rel=0.2)


def test_the_kernel_of_a_convolution_is_a_matrix_by_output() -> None:
    gradient = random(6, 4, 3, 3)
    kernel, matrix = (
        stepped(nn.Parameter(random(6, 4, 3, 3)), gradient),
        stepped(nn.Parameter(random(6, 36)), gradient.flatten(1)),
    )
    torch.testing.assert_close(kernel.flatten(1), matrix)


def test_momentum_remembers_earlier_gradients() -> None:
    one, other = random(4, 4), random(4, 4).mT.contiguous()
    together, alone = stepped(nn.Parameter(one), one, other), stepped(nn.Parameter(one), other)
    assert (together - alone - stepped(nn.Parameter(one), one)).abs().max() > 1e-4


def test_all_else_is_adams() -> None:
    gradients = [random(5), 2 * random(5)]
    mine, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    moved = stepped(mine, *gradients)
    optimizer = torch.optim.Adam([theirs], RATE, eps=1e-5)
    for gradient in gradients:
        theirs.grad = gradient
        optimizer.step()
    torch.testing.assert_close(moved, theirs.detach() - 1)


def test_which_weights_are_muons() -> None:
    net = nn.Sequential(nn.Linear(4, 8), by_adam(nn.Linear(8, 8)), nn.Linear(8, 1))
    assert [is_matrix(parameter) for parameter in net.parameters()] == [True, False, False, False, False, False]


@pytest.mark.parametrize(
    ("images", "painting", "before"),
    [("fine", "paint", "codes"), ("patch", "paint", "codes"), ("conv", "layers.3", "lift")],
)
def test_what_paints_pixels_is_left_to_adam(images: str, painting: str, before: str) -> None:
    decoder = build(ModelConfig(images=images), (32, 32, 3), 1).decoder
    assert not is_matrix(decoder.get_submodule(painting).weight)
    assert is_matrix(decoder.get_submodule(before).weight)


def test_it_goes_on_from_its_state_to_the_same_weights() -> None:
    weights = [nn.Parameter(random(6, 3)), nn.Parameter(random(3))]

    def step(parameters: list[nn.Parameter], optimizer: Muon, seed: int) -> None:
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
        optimizer.step()

    first = Muon(weights, RATE)
    step(weights, first, 1)
    copies = [nn.Parameter(weight.detach().clone()) for weight in weights]
    second = Muon(copies, RATE)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    step(weights, first, 2)
    step(copies, second, 2)
    assert all(torch.equal(weight, copy) for weight, copy in zip(weights, copies, strict=True))
