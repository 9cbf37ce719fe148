"""Second-order models of the return, against gradients of the return itself."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from planners.closed_loop import path_value
from planners.objective import ones_like, zeros_like
from planners.quadratize import project_psd, quadratize
from worldmodel.interface import State

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


class Everything:
    """An objective in which all terms depend on all they may depend on, and are not concave."""

    def reward(self, states: State, actions: Tensor) -> Tensor:
        z = states.vector
        return torch.sin(z[..., 0]) * actions[..., 0] + z[..., 1] ** 2 * z[..., 0] + actions[..., 0] ** 3

    def continues(self, states: State) -> Tensor:
        return torch.sigmoid(2 + states.vector.sum(-1))

    def terminal(self, state: State) -> Tensor:
        return state.vector.prod(-1)


@pytest.mark.parametrize("discount", [1.0, 0.7])
def test_quadratize_has_the_slope_of_the_predicted_return(discount: float) -> None:
    """The row of ``1`` in the cost are the gradient; survival, discount and terminal value included."""
    generator = Generator().manual_seed(0)
    latent = torch.randn(2, 3, 4, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    actions = torch.randn(2, 3, 4, 1, generator=generator, dtype=torch.float64, requires_grad=True)
    states = State(latent[..., :1], latent[..., 1:])
    step, end = quadratize(Everything(), states, actions, discount)
    value = path_value(Everything(), states, actions, discount).sum()
    by_latent, by_action = torch.autograd.grad(value, (latent, actions))
    by_latent[..., -1, :] += end[..., 3, :2]  # the last state is also where the end begins
    torch.testing.assert_close(-step[..., 3, :2], by_latent, **CLOSE)
    torch.testing.assert_close(-step[..., 3, 2:3], by_action, **CLOSE)
    assert (torch.linalg.eigvalsh(step[..., :3, :3]) > -1e-12).all()


def test_a_convex_cost_is_quadratized_exactly() -> None:
    generator = Generator().manual_seed(0)
    root = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    C = root @ root.T

    class Quadratic(Everything):
        def reward(self, states: State, actions: Tensor) -> Tensor:
            y = torch.cat([states.vector, actions], dim=-1)
            return -(y @ C * y).sum(-1) / 2

        def continues(self, states: State) -> Tensor:
            return ones_like(states)

        def terminal(self, state: State) -> Tensor:
            return zeros_like(state)

    z = torch.randn(1, 4, 2, generator=generator, dtype=torch.float64)
    step, end = quadratize(Quadratic(), State(z[..., :1], z[..., 1:]), z[..., :1], 0.5)
    weights = 0.5 ** torch.arange(4)[:, None, None]
    torch.testing.assert_close(step[0, :, :3, :3], weights * C, **CLOSE)
    assert not end.any()


def test_psd_projection_is_joint() -> None:
    """Each block alone is positive, the joint matrix is not: projecting the blocks would change nothing."""
    cost = torch.tensor([[1.0, 3.0], [3.0, 2.0]], dtype=torch.float64)
    found = project_psd(cost)
    values, vectors = torch.linalg.eigh(cost)
    torch.testing.assert_close(found, values[1] * vectors[:, 1:] @ vectors[:, 1:].T, **CLOSE)
    convex = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    assert torch.equal(project_psd(convex), convex)
    flat = torch.zeros(3, 2, 2)
    assert torch.equal(project_psd(flat), flat)
