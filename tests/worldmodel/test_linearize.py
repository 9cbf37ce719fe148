import pytest
import torch
from torch import Tensor, nn

from worldmodel.interface import State
from worldmodel.linearize import linearize_by_autodiff

DETER, STOCH, ACTION = 3, 2, 2


class Recurrent(nn.Module):
    """A step in which every input reaches every output, and with parameters."""

    def __init__(self, deter: int = DETER):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        latent = deter + STOCH
        self.deter = deter
        weight = torch.randn(latent + ACTION, latent, generator=generator, dtype=torch.float64)
        self.weight = nn.Parameter(weight)

    def forward(self, state: State, action: Tensor) -> State:
        mixed = torch.cat([state.vector, action], dim=-1) @ self.weight
        latent = torch.tanh(mixed) + 0.1 * state.vector**2
        return State(latent[..., : self.deter], latent[..., self.deter :])


def points(*leading: int, deter: int = DETER) -> tuple[State, Tensor]:
    generator = torch.Generator().manual_seed(1)
    draw = [torch.randn(*leading, n, generator=generator, dtype=torch.float64) for n in (deter, STOCH, ACTION)]
    return State(draw[0], draw[1]), draw[2]


def by_finite_differences(step: Recurrent, states: State, actions: Tensor, width: float = 1e-6) -> Tensor:
    inputs = torch.cat([states.vector, actions], dim=-1)
    deter, latent = states.deter.shape[-1], states.vector.shape[-1]

    def arrived(x: Tensor) -> Tensor:
        return step(State(x[..., :deter], x[..., deter:latent]), x[..., latent:]).vector

    columns = [(arrived(inputs + e) - arrived(inputs - e)) / (2 * width) for e in width * torch.eye(inputs.shape[-1])]
    return torch.stack(columns, dim=-1).detach()


@pytest.mark.parametrize("leading", [(1,), (4,), (2, 3, 5)])
@pytest.mark.parametrize("deter", [0, DETER])
def test_equals_finite_differences(leading: tuple[int, ...], deter: int) -> None:
    step, (states, actions) = Recurrent(deter), points(*leading, deter=deter)
    found = linearize_by_autodiff(step, states, actions)
    assert found.A.shape == (*leading, deter + STOCH, deter + STOCH)
    assert found.B.shape == (*leading, deter + STOCH, ACTION)
    expected = by_finite_differences(step, states, actions)
    torch.testing.assert_close(torch.cat(found, dim=-1), expected, rtol=1e-8, atol=1e-8)


def test_what_does_not_depend_has_zeros() -> None:
    states, actions = points(4)
    blind = linearize_by_autodiff(lambda state, _: State(state.deter, 2 * state.stoch), states, actions)
    assert torch.equal(blind.A, torch.diag(torch.tensor([1.0, 1, 1, 2, 2], dtype=torch.float64)).expand(4, 5, 5))
    assert torch.equal(blind.B, torch.zeros(4, 5, ACTION, dtype=torch.float64))
    frozen = linearize_by_autodiff(lambda *_: State(*(torch.ones_like(x) for x in states)), states, actions)
    assert not frozen.A.any()
    assert not frozen.B.any()


def test_works_without_gradients_and_leaves_parameters_alone() -> None:
    step, (states, actions) = Recurrent(), points(4)
    expected = linearize_by_autodiff(step, states, actions)
    with torch.no_grad():
        found = linearize_by_autodiff(step, states, actions)
    assert torch.equal(found.A, expected.A)
    assert not found.A.requires_grad
    assert step.weight.grad is None
    assert not actions.requires_grad


def test_dtype_follows_the_inputs() -> None:
    states, actions = points(4)
    step = Recurrent().float()
    found = linearize_by_autodiff(step, states.map(Tensor.float), actions.float())
    assert found.A.dtype == found.B.dtype == torch.float32


def test_states_and_actions_must_match() -> None:
    states, actions = points(4)
    with pytest.raises(ValueError, match=r"same leading axes.*\(4, 3\).*\(3, 2\)"):
        linearize_by_autodiff(Recurrent(), states, actions[:3])
