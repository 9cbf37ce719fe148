"""Linear models have no error of linearization; a known bend has the error that it must have."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from worldmodel.insight.linearity import effective_rank, linearization_error, reach, spectrum
from worldmodel.interface import Linearization, State
from worldmodel.linearize import linearize_by_autodiff

A = torch.tensor([[1.0, 0.1], [-0.3, 0.9]], dtype=torch.float64)
B = torch.tensor([[0.0], [0.5]], dtype=torch.float64)


@dataclass(frozen=True)
class Bent:
    """``z' = A z + B (a + bend · a²)``; deter has width 0."""

    bend: float = 0.0

    def step(self, state: State, action: Tensor) -> State:
        push = (action + self.bend * action.square()) @ B.mT
        return State(state.deter, state.stoch @ A.mT + push)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        states = []
        for action in actions.unbind(-2):
            state = self.step(state, action)
            states.append(state)
        return State(*(torch.stack(parts, -2) for parts in zip(*states, strict=True)))

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        return linearize_by_autodiff(self.step, states, actions)


def errors(model: Bent, horizon: int = 6) -> Tensor:
    """Around actions of zero, changed by one radius everywhere: ``[radii, batch, horizon]``."""
    state = State(torch.zeros(3, 0, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64))
    actions = torch.zeros(3, horizon, 1, dtype=torch.float64)
    return linearization_error(model, state, actions, torch.ones_like(actions), torch.tensor([0.1, 0.5]).double())


def test_a_linear_model_has_none() -> None:
    found = errors(Bent())
    assert found.shape == (2, 3, 6)
    assert found.max() < 1e-12


def test_a_known_bend_has_the_error_that_it_must_have() -> None:
    """The linear part pushes by r, the true one by r + bend r²: a share of bend r / (1 + bend r) is missed."""
    found = errors(Bent(bend=2.0))
    torch.testing.assert_close(found[0], torch.full_like(found[0], 0.2 / 1.2))
    torch.testing.assert_close(found[1], torch.full_like(found[1], 0.5))


def test_nothing_changed_is_no_error() -> None:
    state = State(torch.zeros(1, 0), torch.ones(1, 2))
    model, actions = Bent(), torch.zeros(1, 3, 1)
    still = linearization_error(
        model, state.map(lambda x: x.double()), actions.double(), actions.double(), torch.ones(1).double()
    )
    assert (still == 0).all()


def test_eigenvalues_of_a_turn_and_a_stretch() -> None:
    turn = torch.tensor([[0.0, -0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 2.0]])
    values = spectrum(turn[None])[0]
    torch.testing.assert_close(values.abs(), torch.tensor([2.0, 0.5, 0.5]))
    assert values[0].real == pytest.approx(2)
    assert values[1].real == pytest.approx(0, abs=1e-6)


def test_a_double_integrator_is_reached_and_an_undriven_part_is_not() -> None:
    still = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).expand(2, 3, 3)
    push = torch.tensor([[0.0], [1.0], [0.0]]).expand(2, 3, 1)
    found = reach(Linearization(still, push))
    expected = torch.linalg.svdvals(torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
    torch.testing.assert_close(found, expected)
    five = reach(Linearization(still[:1].expand(5, 3, 3), push[:1].expand(5, 3, 1)))
    assert five.shape == (3,)
    assert five[2] < 1e-6


def test_order_along_the_trajectory_matters() -> None:
    """The first push is carried on by the later A, the last by none."""
    matrices = torch.stack([torch.tensor([[5.0]]), torch.tensor([[3.0]])])
    pushes = torch.tensor([[[1.0]], [[0.5]]])
    torch.testing.assert_close(reach(Linearization(matrices, pushes)), torch.tensor([(3.0**2 + 0.5**2) ** 0.5]))


def test_effective_rank() -> None:
    found = effective_rank(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([3.0, 1.0, 1.0]))


def test_a_model_that_diverges_has_no_spectrum_and_no_reach() -> None:
    """And leaves that of others in the batch alone."""
    turn = torch.stack([torch.full((2, 2), torch.inf), torch.eye(2)])
    values = spectrum(turn)
    assert values[0].isnan().all()
    torch.testing.assert_close(values[1].abs(), torch.ones(2))
    found = reach(Linearization(turn[:, None], torch.ones(2, 1, 2, 1)))
    assert found[1, 0] == pytest.approx(2**0.5)
    far = reach(Linearization(turn[:, None].expand(2, 2, 2, 2), torch.ones(2, 2, 2, 1)))
    assert far[0].isnan().all()
    assert far[1].isfinite().all()
