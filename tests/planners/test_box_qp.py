"""Projected Newton against scipy and against trying every active set."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from planners.box_qp import box_qp

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


def random_problems(count: int, n: int, seed: int, width: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """With the optimum outside the box in most of them, and some limits of width zero."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, dtype=torch.float64)

    root = draw(n, n)
    H = root @ root.mT + 0.05 * torch.eye(n)
    centre, half = 0.3 * draw(n), width * draw(n).abs() * (draw(n) > -1.5)
    return H, 2 * draw(n), centre - half, centre + half


def by_enumeration(H: Tensor, g: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """The best feasible point among the minima of all 3^n active sets; the true optimum is one of them."""
    best, least = None, np.inf
    for held in itertools.product((-1, 0, 1), repeat=len(g)):
        free = torch.tensor([h == 0 for h in held])
        x = torch.where(torch.tensor(held) < 0, lower, upper)
        if free.any():
            rest = g[free] + H[free][:, ~free] @ x[~free]
            x[free] = -torch.linalg.solve(H[free][:, free], rest)
        value = (x @ H @ x / 2 + g @ x).item()
        if (x >= lower - 1e-12).all() and (x <= upper + 1e-12).all() and value < least:
            best, least = x, value
    return best


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(0, 10**6))
def test_equals_the_best_of_all_active_sets(n: int, seed: int) -> None:
    problems = random_problems(3, n, seed)
    found = box_qp(*problems)
    for i in range(3):
        expected = by_enumeration(*(x[i] for x in problems))
        torch.testing.assert_close(found.x[i], expected, **CLOSE)


@pytest.mark.parametrize("n", [8, 16])
def test_equals_scipy(n: int) -> None:
    H, g, lower, upper = random_problems(5, n, seed=n)
    upper = upper + 1e-3  # scipy wants a box with an inside
    found = box_qp(H, g, lower, upper).x
    for i in range(5):
        root = np.linalg.cholesky(H[i].numpy()).T  # ½ |root x - b|² with root' b = -g
        b = np.linalg.solve(root.T, -g[i].numpy())
        solved = scipy.optimize.lsq_linear(root, b, (lower[i].numpy(), upper[i].numpy()), method="bvls", tol=1e-14)
        torch.testing.assert_close(found[i], torch.from_numpy(solved.x), **CLOSE)


def test_optimality_conditions_of_many_at_once() -> None:
    H, g, lower, upper = (x.unflatten(0, (50, 40)) for x in random_problems(2000, 4, seed=0))
    x, free = box_qp(H, g, lower, upper)
    slope = torch.einsum("...ij,...j->...i", H, x) + g
    assert ((x >= lower) & (x <= upper)).all()
    assert (slope[free & (lower < upper)].abs() < 1e-8).all()
    assert ((x == lower) | (x == upper))[~free].all()
    assert (slope[~free & (x == lower) & (lower < upper)] > 0).all()
    assert (slope[~free & (x == upper) & (lower < upper)] < 0).all()
    assert 0.2 < free.double().mean() < 0.8  # or nothing was tested


def test_a_wide_box_is_not_there() -> None:
    H, g, *_ = random_problems(20, 3, seed=1)
    found = box_qp(H, g, torch.full_like(g, -1e6), torch.full_like(g, 1e6))
    torch.testing.assert_close(found.x, -torch.linalg.solve(H, g), **CLOSE)
    assert found.free.all()


def test_a_batch_is_its_rows() -> None:
    problems = random_problems(6, 3, seed=2)
    together = box_qp(*problems)
    for i in range(6):
        alone = box_qp(*(x[i] for x in problems))
        torch.testing.assert_close(together.x[i], alone.x, **CLOSE)
        assert torch.equal(together.free[i], alone.free)


@pytest.mark.parametrize("spoil", [torch.nan, -1.0])
def test_a_bad_matrix_spoils_its_own_problem_only(spoil: float) -> None:
    H, g, lower, upper = random_problems(3, 2, seed=3)
    expected = box_qp(H, g, lower, upper).x
    H[1] = spoil * H[1]
    found = box_qp(H, g, lower, upper).x
    assert found[1].isnan().all()
    torch.testing.assert_close(found[[0, 2]], expected[[0, 2]], **CLOSE)


def test_single_precision() -> None:
    problems = random_problems(200, 3, seed=4)
    found = box_qp(*(x.float() for x in problems))
    assert found.x.dtype == torch.float32
    value = [(x * (torch.einsum("bij,bj->bi", problems[0], x) / 2 + problems[1])).sum(-1) for x in
             (found.x.double(), box_qp(*problems).x)]  # fmt: skip
    torch.testing.assert_close(value[0], value[1], rtol=1e-4, atol=1e-4)


def test_bad_input() -> None:
    H, g, lower, upper = random_problems(3, 2, seed=5)
    with pytest.raises(ValueError, match=r"lower limits must not be above upper ones; got 2\.0 above 1\.0"):
        box_qp(H, g, torch.full_like(g, 2), torch.full_like(g, 1))
    with pytest.raises(ValueError, match=r"H \[..., n, n\].*got \[\(3, 2, 2\), \(2,\)"):
        box_qp(H, g[0], lower, upper)
