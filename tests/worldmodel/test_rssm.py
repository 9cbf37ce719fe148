import pytest
import torch
from torch import Tensor, nn

from tests.worldmodel.examples import normal
from worldmodel.distributions import NormalLatent
from worldmodel.dynamics.rssm import RSSM
from worldmodel.interface import State
from worldmodel.linearize import linearize_by_autodiff
from worldmodel.networks import elu_slope, gru

DETER, STOCH, ACTION, HIDDEN = 7, 3, 2, 5
EXACT = {"rtol": 1e-10, "atol": 1e-12}


def rssm(dtype: torch.dtype = torch.float64) -> RSSM:
    torch.manual_seed(0)
    dynamics = RSSM(DETER, NormalLatent(STOCH), ACTION, HIDDEN).to(dtype)
    with torch.no_grad():
        for parameter in dynamics.parameters():
            parameter.mul_(3)  # so that every gate is far from its middle
    return dynamics


def point(*leading: int, dtype: torch.dtype = torch.float64) -> tuple[State, Tensor]:
    deter, stoch, action = (normal(*leading, n, seed=n, dtype=dtype) for n in (DETER, STOCH, ACTION))
    return State(deter, stoch), action


def test_the_gru_is_torchs() -> None:
    torch.manual_seed(0)
    cell = nn.GRUCell(HIDDEN, DETER).double()
    x, h = 3 * normal(10, HIDDEN), 3 * normal(10, DETER, seed=2)
    torch.testing.assert_close(gru(cell, x, h), cell(x, h), **EXACT)
    lead = gru(cell, x.reshape(2, 5, HIDDEN), h.reshape(2, 5, DETER))
    torch.testing.assert_close(lead.reshape(10, DETER), cell(x, h), **EXACT)


def elu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, x.exp() - 1)


def test_a_step_is_the_equations_written_out() -> None:
    """x = elu(W_x [s, a] + b); h' = GRU(x, h); mean, raw = W_s elu(W_p h' + b) + b; s' = mean + (softplus + 0.1) e."""
    dynamics, (state, action) = rssm(), point(6)
    noise = normal(6, STOCH, seed=8)
    weights = {name: parameter.detach() for name, parameter in dynamics.named_parameters()}

    def layer(name: str, x: Tensor) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    x = elu(layer("inputs", torch.cat([state.stoch, action], 1)))
    h = dynamics.gru(x, state.deter)
    stats = layer("prior_stats", elu(layer("prior_hidden", h)))
    mean, std = stats[:, :STOCH], (1 + stats[:, STOCH:].exp()).log() + 0.1

    sampled = dynamics.step(state, action, noise)
    torch.testing.assert_close(sampled.deter, h, **EXACT)
    torch.testing.assert_close(sampled.stoch, mean + std * noise, **EXACT)
    torch.testing.assert_close(dynamics.step(state, action).stoch, mean, **EXACT)


def test_the_two_halves_make_the_step() -> None:
    dynamics, (state, action) = rssm(), point(2, 3)
    deter, context = dynamics.advance(state, action)
    arrived = dynamics.step(state, action)
    assert torch.equal(arrived.deter, deter)
    assert torch.equal(arrived.stoch, dynamics.prior(context).mean)
    assert context.shape[-1] == dynamics.context


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rollout_is_repeated_steps(dtype: torch.dtype, noisy: bool, gradients: bool) -> None:
    """By the kernel in float32 without gradients, by the reference otherwise."""
    dynamics, horizon = rssm(dtype), 6
    state = point(4, 9, dtype=dtype)[0]
    actions = normal(4, 9, horizon, ACTION, seed=5, dtype=dtype)
    noise = normal(4, 9, horizon, STOCH, seed=6, dtype=dtype) if noisy else None
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else EXACT
    with torch.set_grad_enabled(gradients):
        rolled = dynamics.rollout(state, actions, noise)
        assert rolled.deter.requires_grad == gradients
        for t in range(horizon):
            state = dynamics.step(state, actions[:, :, t], None if noise is None else noise[:, :, t])
            torch.testing.assert_close(rolled.deter[:, :, t], state.deter, **tolerance)
            torch.testing.assert_close(rolled.stoch[:, :, t], state.stoch, **tolerance)


def test_a_rollout_has_the_gradient_of_repeated_steps() -> None:
    dynamics, (state, _) = rssm(), point(2)
    actions, noise = normal(2, 4, ACTION).requires_grad_(), normal(2, 4, STOCH, seed=6)
    rolled = dynamics.rollout(state, actions, noise).vector[:, -1].sum()
    for t in range(4):
        state = dynamics.step(state, actions[:, t], noise[:, t])
    wanted = [actions, *dynamics.parameters()]
    for found, expected in zip(
        torch.autograd.grad(rolled, wanted), torch.autograd.grad(state.vector.sum(), wanted), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("leading", [(1,), (4,), (2, 3, 5)])
def test_the_closed_form_jacobians_are_those_of_autodiff(leading: tuple[int, ...]) -> None:
    dynamics, (states, actions) = rssm(), point(*leading)
    found, expected = dynamics.linearize(states, actions), linearize_by_autodiff(dynamics.step, states, actions)
    assert found.A.shape == (*leading, DETER + STOCH, DETER + STOCH)
    assert found.B.shape == (*leading, DETER + STOCH, ACTION)
    torch.testing.assert_close(found.A, expected.A, **EXACT)
    torch.testing.assert_close(found.B, expected.B, **EXACT)


def test_the_closed_form_jacobians_are_finite_differences() -> None:
    dynamics, (states, actions) = rssm(), point(5)
    inputs, width = torch.cat([states.vector, actions], -1), 1e-6

    def arrived(x: Tensor) -> Tensor:
        return dynamics.step(State(x[:, :DETER], x[:, DETER : DETER + STOCH]), x[:, DETER + STOCH :]).vector

    moves = width * torch.eye(inputs.shape[1], dtype=torch.float64)
    expected = torch.stack([(arrived(inputs + e) - arrived(inputs - e)) / (2 * width) for e in moves], -1)
    torch.testing.assert_close(torch.cat(dynamics.linearize(states, actions), -1), expected, rtol=1e-7, atol=1e-8)


def test_the_slope_of_elu_at_and_around_zero() -> None:
    x = torch.tensor([-50.0, -1.0, 0.0, 1.0, 800.0], dtype=torch.float64)
    expected = torch.tensor([-50.0, -1.0, 0.0, 0.0, 0.0], dtype=torch.float64).exp()
    torch.testing.assert_close(elu_slope(x), expected)


def test_it_starts_from_zeros_of_the_weights_type() -> None:
    state = rssm(torch.float64).initial(3)
    assert state.deter.shape == (3, DETER)
    assert state.stoch.shape == (3, STOCH)
    assert not state.vector.any()
    assert state.vector.dtype == torch.float64
