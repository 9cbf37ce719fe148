import pytest
import torch
from torch import Tensor

from tests.worldmodel.examples import normal
from worldmodel.objectives.curvature import curvature, moves

EXACT = {"rtol": 1e-10, "atol": 1e-12}


def test_a_quadratic_bends_by_its_second_order() -> None:
    """f(z, u) = (zᵀ Q z, (zᵀ c) u) bends by ηᵀ Q η and (ηᵀ c) ξ, wherever it is."""
    Q, c = normal(3, 3), normal(3, seed=2)

    def step(z: Tensor, u: Tensor) -> Tensor:
        return torch.stack([torch.einsum("...i,ij,...j->...", z, Q, z), (z @ c) * u[..., 0]], -1)

    z, u, eta, xi = normal(5, 3, seed=3), normal(5, 1, seed=4), normal(5, 3, seed=5), normal(5, 1, seed=6)
    expected = torch.einsum("...i,ij,...j->...", eta, Q, eta).square() + ((eta @ c) * xi[:, 0]).square()
    torch.testing.assert_close(curvature(step, z, u, (eta, xi)), expected, **EXACT)


def test_a_straight_line_does_not_bend() -> None:
    A, B = normal(3, 3), normal(3, 2, seed=2)
    moved = normal(5, 3, seed=5), normal(5, 2, seed=6)
    found = curvature(lambda z, u: z @ A.T + u @ B.T + 1, normal(5, 3), normal(5, 2), moved)
    assert found.max() < 1e-25


def test_its_gradient_straightens() -> None:
    """Descending it makes f(z) = sin(w z) straighter: w shrinks."""
    w = torch.tensor(2.0, requires_grad=True)
    z, u = torch.linspace(-2, 2, 50)[:, None], torch.zeros(50, 1)
    found = curvature(lambda z, u: torch.sin(w * z), z, u, (0.3 * torch.ones_like(z), u))
    (gradient,) = torch.autograd.grad(found.sum(), w)
    assert gradient > 0


@pytest.mark.parametrize("action", [1, 2, 5])
def test_moves_are_noise_that_the_latent_does_not_hold(action: int) -> None:
    noise = normal(4, 6, 3)
    eta, xi = moves(noise, action, 0.1)
    assert eta.shape == (4, 5, 3)
    assert xi.shape == (4, 5, action)
    torch.testing.assert_close(eta, 0.1 * noise[:, 1:], **EXACT)
    torch.testing.assert_close(xi[:, :-1, 0], 0.1 * noise[:, 2:, 0], **EXACT)
