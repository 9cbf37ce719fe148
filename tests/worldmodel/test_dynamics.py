"""What every dynamics answers on its own: Jacobians against finite differences, roll-outs as planners ask for them."""

import pytest
import torch
from torch import Tensor

from tests.worldmodel.examples import ACTION, DYNAMICS, normal, paired_model
from tests.worldmodel.properties import assert_states_equal, start
from worldmodel.distributions import Categorical
from worldmodel.interface import State
from worldmodel.sequence_vae import Dynamics, SequenceVAE

every_dynamics = pytest.mark.parametrize("name", DYNAMICS)


def arrived(dynamics: Dynamics, state: State, action: Tensor) -> Tensor:
    """The mean of the next state; of categorical variables the probabilities, whose gradient goes straight through."""
    prior = dynamics.prior(dynamics.advance(state, action)[1])
    after = dynamics.step(state, action)
    return torch.cat([after.deter, prior[0].flatten(-2)], -1) if isinstance(prior, Categorical) else after.vector


@every_dynamics
def test_jacobians_are_finite_differences(name: str) -> None:
    model, width = paired_model(name, "state"), 1e-6
    states, actions = start(model, 2, 3), normal(2, 3, ACTION)
    inputs, sizes = torch.cat([states.vector, actions], -1), [model.sizes.deter, model.sizes.stoch, ACTION]

    def moved(by: Tensor) -> Tensor:
        deter, stoch, action = (inputs + by).split(sizes, -1)
        return arrived(model.dynamics, State(deter, stoch), action)

    moves = width * torch.eye(inputs.shape[-1], dtype=torch.float64)
    expected = torch.stack([(moved(e) - moved(-e)) / (2 * width) for e in moves], -1)
    found = model.linearize(states, actions)
    assert found.A.shape == (2, 3, model.sizes.latent, model.sizes.latent)
    assert found.B.shape == (2, 3, model.sizes.latent, ACTION)
    torch.testing.assert_close(torch.cat(found, -1), expected, rtol=1e-7, atol=1e-7)


@every_dynamics
@pytest.mark.parametrize("noisy", [False, True])
def test_candidates_share_a_state(name: str, noisy: bool) -> None:
    """As planners call it: float32, no gradients, states expanded over candidates, noise shared by them."""
    model = paired_model(name, "state", torch.float32)
    state = start(model, 2).map(lambda x: x.float()[:, None])
    actions = normal(2, 4, 5, ACTION, dtype=torch.float32)
    noise = normal(2, 1, 5, model.sizes.stoch, seed=3, dtype=torch.float32) if noisy else None
    with torch.no_grad():
        rolled = model.rollout(state.map(lambda x: x.expand(2, 4, -1)), actions, noise)
        assert_close(rolled, model.rollout(state, actions, noise))
        now = state.map(lambda x: x.expand(2, 4, -1))
        for t in range(5):
            now = model.step(now, actions[:, :, t], None if noise is None else noise[:, :, t].expand(2, 4, -1))
            assert_close(rolled.map(lambda x, t=t: x[:, :, t]), now)


def assert_close(found: State, expected: State) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@every_dynamics
@pytest.mark.parametrize("leading", [(), (3,), (2, 3, 2)])
def test_any_leading_axes(name: str, leading: tuple[int, ...]) -> None:
    """A state alone, or a block of them, is what its rows are one by one."""
    model = paired_model(name, "state")
    state, action, actions = start(model, *leading), normal(*leading, ACTION), normal(*leading, 5, ACTION)
    noise, last = normal(*leading, 5, model.sizes.stoch, seed=3), (-1,) * len(leading)
    stepped, rolled = model.step(state, action, noise[..., 0, :]), model.rollout(state, actions, noise)
    assert stepped.stoch.shape == (*leading, model.sizes.stoch)
    assert rolled.deter.shape == (*leading, 5, model.sizes.deter)
    one = state.map(lambda x: x[last])
    assert_states_equal(stepped.map(lambda x: x[last]), model.step(one, action[last], noise[last][0]))
    assert_states_equal(rolled.map(lambda x: x[last]), model.rollout(one, actions[last], noise[last]))


@every_dynamics
def test_a_rollout_has_the_gradient_of_repeated_steps(name: str) -> None:
    model = paired_model(name, "state")
    state, actions = start(model, 2), normal(2, 4, ACTION).requires_grad_()
    noise = normal(2, 4, model.sizes.stoch, seed=6)
    weight = normal(model.sizes.latent, seed=7)
    rolled = (model.rollout(state, actions, noise).vector[:, -1] * weight).sum()
    for t in range(4):
        state = model.step(state, actions[:, t], noise[:, t])
    parameters = list(model.dynamics.parameters())  # type: ignore[attr-defined]
    found, expected = (
        torch.autograd.grad(value, [actions, *parameters], allow_unused=True)
        for value in (rolled, (state.vector * weight).sum())
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@every_dynamics
def test_the_initial_state_is_zeros_and_a_step_from_it_works(name: str) -> None:
    model: SequenceVAE = paired_model(name, "state", torch.float32)
    state = model.dynamics.initial(3)
    assert not state.vector.any()
    assert state.vector.shape == (3, model.sizes.latent)
    assert state.vector.dtype == torch.float32
    assert model.step(state, torch.zeros(3, ACTION)).vector.isfinite().all()
    assert_states_equal(model.initial(3).state, state)


@every_dynamics
def test_what_is_first(name: str) -> None:
    """Those without a deterministic state begin with a standard normal, in row 0 and where an episode starts."""
    model = paired_model(name, "state")
    first = model.dynamics.first
    assert (first is None) == (model.sizes.deter > 0)
    if first is not None:
        assert first.mean.shape == (model.dynamics.latent.stoch,)
        assert not first.mean.any()
        assert (first.std == 1).all()
