import torch
from torch import Tensor

from tests.worldmodel.examples import normal
from worldmodel.distributions import Normal, NormalLatent
from worldmodel.dynamics.locally_linear import LocallyLinear
from worldmodel.interface import State

STOCH, ACTION, HIDDEN = 3, 2, 5
EXACT = {"rtol": 1e-10, "atol": 1e-12}


def locally_linear(constant: bool = False) -> LocallyLinear:
    """constant: the matrices are the same everywhere."""
    torch.manual_seed(0)
    dynamics = LocallyLinear(NormalLatent(STOCH, 0.02), ACTION, HIDDEN).double()
    with torch.no_grad():
        dynamics.net[-1].weight.mul_(10)  # as large as the other layers' again
        dynamics.process_noise.raw_std.copy_(normal(STOCH, seed=8))
        if constant:
            dynamics.net[-1].weight.zero_()
            dynamics.net[-1].bias.copy_(normal(len(dynamics.net[-1].bias), seed=9))
    return dynamics


def points(rows: int) -> tuple[State, Tensor]:
    return State(normal(rows, 0), normal(rows, STOCH)), normal(rows, ACTION, seed=2)


def test_a_step_is_the_local_model_and_the_global_noise() -> None:
    """z' = A z + B a + o + std e, with A = I + v rᵀ of rank one beside the identity."""
    dynamics, (state, action) = locally_linear(), points(6)
    noise, (A, B, o) = normal(6, STOCH, seed=3), dynamics.matrices(state.stoch)
    mean = torch.einsum("rij,rj->ri", A, state.stoch) + torch.einsum("rij,rj->ri", B, action) + o
    std = (1 + dynamics.process_noise.raw_std.exp()).log() + 0.02
    torch.testing.assert_close(dynamics.step(state, action).stoch, mean, **EXACT)
    torch.testing.assert_close(dynamics.step(state, action, noise).stoch, mean + std * noise, **EXACT)
    rest = A - torch.eye(STOCH, dtype=torch.float64)
    size, *others = torch.linalg.svdvals(rest).T
    assert size.min() > 1e-3
    assert max(other.max() for other in others) < 1e-12
    assert (A[0] - A[1]).abs().max() > 1e-3, "it depends on where it is taken"


def test_the_matrices_are_the_jacobians_only_where_they_do_not_change() -> None:
    for constant in (True, False):
        dynamics, (state, action) = locally_linear(constant), points(6)
        A, B, _ = dynamics.matrices(state.stoch)
        found = dynamics.linearize(state, action)
        torch.testing.assert_close(found.B, B, **EXACT)
        assert found.A.allclose(A) == constant


def test_a_belief_is_pushed_with_the_matrices_of_its_mean_or_of_another_point() -> None:
    """... and its covariance is A S Aᵀ + H."""
    dynamics, (state, action) = locally_linear(), points(6)
    belief, elsewhere = Normal(state.stoch, normal(6, STOCH, seed=4).exp()), normal(6, STOCH, seed=5)
    H = torch.diag(dynamics.process_noise.std.square())
    for at in (None, elsewhere):
        pushed = dynamics.propagate(belief, action, at)
        A, B, o = dynamics.matrices(belief.mean if at is None else at)
        mean = torch.einsum("rij,rj->ri", A, belief.mean) + torch.einsum("rij,rj->ri", B, action) + o
        torch.testing.assert_close(pushed.mean, mean, **EXACT)
        torch.testing.assert_close(pushed.covariance, A @ torch.diag_embed(belief.std.square()) @ A.mT + H, **EXACT)


def test_a_pushed_belief_is_that_of_samples_of_the_dynamics() -> None:
    """Where the matrices are the same everywhere there is nothing local about it: 200,000 samples of `step`."""
    dynamics, rows = locally_linear(constant=True), 200_000
    belief, action = Normal(normal(STOCH), normal(STOCH, seed=4).exp()), normal(ACTION, seed=2)
    before = belief.sample(normal(rows, STOCH, seed=6))
    with torch.no_grad():
        after = dynamics.step(State(before[:, :0], before), action.expand(rows, -1), normal(rows, STOCH, seed=7)).stoch
        pushed = dynamics.propagate(belief, action)
    scale = pushed.covariance.diagonal().max()
    torch.testing.assert_close(after.mean(0), pushed.mean, rtol=0, atol=0.01 * float(scale.sqrt()))
    torch.testing.assert_close(after.T.cov(), pushed.covariance, rtol=0.02, atol=0.01 * float(scale))


def test_it_begins_near_the_identity_and_stays_finite() -> None:
    """Matrices that grow with the state overflow within a few steps unless they are small at first."""
    torch.manual_seed(0)
    dynamics = LocallyLinear(NormalLatent(16), ACTION, 128)
    z = 3 * normal(100, 16, dtype=torch.float32)
    A, B, _ = dynamics.matrices(z)
    assert (A - torch.eye(16)).abs().max() < 0.1
    assert B.abs().max() < 0.5
    actions = normal(100, 16, ACTION, dtype=torch.float32).clamp(-1, 1)
    with torch.no_grad():
        rolled = dynamics.rollout(State(z[:, :0], z), actions).stoch
    assert rolled.abs().max() < 10 * z.abs().max()
