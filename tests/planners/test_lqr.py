"""The Riccati recursion against answers that were found without one."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from planners.lqr import Regulator, lqr, rollout

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


@dataclass(frozen=True)
class Problem:
    A: Tensor
    B: Tensor
    Q: Tensor
    R: Tensor
    final_Q: Tensor
    cross: Tensor
    offset: Tensor
    q: Tensor
    r: Tensor
    final_q: Tensor

    def solve(self) -> Regulator:
        return lqr(**self.__dict__)


def random_problem(horizon: int, latent: int, action: int, leading: tuple[int, ...] = (), seed: int = 0) -> Problem:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*leading, *shape, generator=generator, dtype=torch.float64)

    def positive(*shape: int) -> Tensor:
        root = draw(*shape, shape[-1])
        return root @ root.mT / shape[-1] + 0.1 * torch.eye(shape[-1])

    A = draw(horizon, latent, latent)
    A = A / torch.linalg.matrix_norm(A, ord=2)[..., None, None]  # not unstable, or 50 steps lose the 8 digits
    joint = positive(horizon, latent + action)
    return Problem(
        A=A,
        B=draw(horizon, latent, action),
        Q=joint[..., :latent, :latent],
        R=joint[..., latent:, latent:],
        cross=joint[..., :latent, latent:],
        final_Q=positive(latent),
        offset=draw(horizon, latent),
        q=draw(horizon, latent),
        r=draw(horizon, action),
        final_q=draw(latent),
    )


def cost(p: Problem, start: Tensor, actions: Tensor) -> Tensor:
    x, total = start, torch.zeros(())
    for t in range(len(actions)):
        u = actions[t]
        total = total + x @ p.Q[t] @ x / 2 + x @ p.cross[t] @ u + u @ p.R[t] @ u / 2 + p.q[t] @ x + p.r[t] @ u
        x = p.A[t] @ x + p.B[t] @ u + p.offset[t]
    return total + x @ p.final_Q @ x / 2 + p.final_q @ x


def dense_optimum(p: Problem, start: Tensor) -> Tensor:
    """Actions ``[horizon, action]``: states stacked as a linear function of actions, then one linear system."""
    (horizon, latent, action), eye = p.B.shape, torch.eye(p.A.shape[-1], dtype=torch.float64)
    n, m = horizon * latent, horizon * action
    shift, push, drift = torch.eye(n, dtype=torch.float64), torch.zeros(n, m, dtype=torch.float64), p.offset.clone()
    drift[0] += p.A[0] @ start  # x_{t+1} - A_t x_t = B_t u_t + c_t, for all t at once: shift X = push U + drift
    for t in range(horizon):
        rows = slice(t * latent, (t + 1) * latent)
        push[rows, t * action : (t + 1) * action] = p.B[t]
        if t:
            shift[rows, (t - 1) * latent : t * latent] = -p.A[t] @ eye
    G, free = torch.linalg.solve(shift, push), torch.linalg.solve(shift, drift.reshape(-1))
    Q = torch.block_diag(*p.Q[1:], p.final_Q)  # weighs x_1 .. x_H
    R = torch.block_diag(*p.R)
    S = torch.zeros(n, m, dtype=torch.float64)
    for t in range(1, horizon):
        S[(t - 1) * latent : t * latent, t * action : (t + 1) * action] = p.cross[t]
    q, r = torch.cat([*p.q[1:], p.final_q]), p.r.clone()
    r[0] += p.cross[0].T @ start
    curvature = G.T @ Q @ G + R + G.T @ S + S.T @ G
    slope = G.T @ (Q @ free + q) + S.T @ free + r.reshape(-1)
    return -torch.linalg.solve(curvature, slope).reshape(horizon, action)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 50), st.integers(1, 16), st.integers(1, 4), st.integers(0, 10**6))
def test_equals_the_dense_solution(horizon: int, latent: int, action: int, seed: int) -> None:
    problem = random_problem(horizon, latent, action, seed=seed)
    start = torch.randn(latent, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    regulator = problem.solve()
    _, actions = rollout(regulator, problem.A, problem.B, start, problem.offset)
    expected = dense_optimum(problem, start)
    torch.testing.assert_close(actions, expected, **CLOSE)
    to_go = start @ regulator.V[0] @ start / 2 + regulator.v[0] @ start + regulator.w[0]
    torch.testing.assert_close(to_go, cost(problem, start, expected), **CLOSE)


@pytest.mark.parametrize("left_out", [["cross"], ["offset"], ["q"], ["r"], ["final_q"], ["cross", "offset", "q", "r"]])
def test_terms_left_out_are_zero(left_out: list[str]) -> None:
    problem = random_problem(5, 3, 2)
    zeroed = replace(problem, **{name: torch.zeros_like(getattr(problem, name)) for name in left_out})
    kept = {name: x for name, x in problem.__dict__.items() if name not in left_out}
    for found, expected in zip(lqr(**kept), zeroed.solve(), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(("latent", "action"), [(1, 1), (4, 2), (8, 3)])
def test_long_horizon_reaches_the_algebraic_riccati_equation(latent: int, action: int) -> None:
    problem = random_problem(1, latent, action)
    A, B, Q, R, S = (x[0].numpy() for x in (problem.A, problem.B, problem.Q, problem.R, problem.cross))
    P = scipy.linalg.solve_discrete_are(A, B, Q, R, s=S)
    K = -np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A + S.T)
    long = {k: x.expand(400, *x.shape[1:]) for k, x in problem.__dict__.items() if k in ("A", "B", "Q", "R", "cross")}
    regulator = lqr(**long, final_Q=torch.zeros(latent, latent, dtype=torch.float64))
    torch.testing.assert_close(regulator.V[0], torch.from_numpy(P), **CLOSE)
    torch.testing.assert_close(regulator.K[0], torch.from_numpy(K), **CLOSE)


def test_a_batch_is_its_rows() -> None:
    problem = random_problem(6, 3, 2, leading=(2, 3))
    together = problem.solve()
    assert together.K.shape == (2, 3, 6, 2, 3)
    assert together.V.shape == (2, 3, 7, 3, 3)
    for i, j in np.ndindex(2, 3):
        alone = Problem(**{name: x[i, j] for name, x in problem.__dict__.items()}).solve()
        for whole, part in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[i, j], part, **CLOSE)


def test_last_row_is_the_final_cost() -> None:
    problem = random_problem(4, 3, 2)
    regulator = problem.solve()
    assert torch.equal(regulator.V[-1], problem.final_Q)
    assert torch.equal(regulator.v[-1], problem.final_q)
    assert regulator.w[-1] == 0


def test_no_minimum_is_an_error() -> None:
    problem = random_problem(4, 3, 2)
    with pytest.raises(ValueError, match=r"no minimum: at step 3 .* make R positive definite"):
        replace(problem, R=-100 * problem.R).solve()


@pytest.mark.parametrize("name", ["A", "Q", "R", "final_Q", "cross", "offset", "q", "r", "final_q"])
def test_shapes_that_do_not_fit_are_named(name: str) -> None:
    problem = random_problem(4, 3, 2)
    with pytest.raises(ValueError, match=f"^{name} must have shape"):
        replace(problem, **{name: getattr(problem, name)[..., :-1]}).solve()
