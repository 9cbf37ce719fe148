"""Small quadratic programs with a box, many at once: projected Newton.

    minimise over x   ½ x' H x + g' x     subject to   lower <= x <= upper

Variables at a limit whose gradient points out of the box are held there, the others take a Newton step, projected back
into the box (Bertsekas 1982; Tassa, Mansard and Todorov 2014, Control-limited differential dynamic programming, section
IV). The active set settles in a few rounds, and the step is then exact. All problems of a batch run together, those
that are done simply stay; the line search tries all its step lengths at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ROUNDS = 50  # about n + 3 are needed for n variables
STEP_LENGTHS = 0.5 ** torch.arange(12, dtype=torch.float64)


class BoxSolution(NamedTuple):
    """x: ``[..., n]``, NaN where H is not positive definite. free: ``[..., n]`` bool, not held at a limit."""

    x: Tensor
    free: Tensor


def box_qp(H: Tensor, g: Tensor, lower: Tensor, upper: Tensor) -> BoxSolution:
    """Solve the problem above: H ``[..., n, n]`` symmetric positive definite; g, lower, upper ``[..., n]``.

    Raises ValueError where the shapes do not fit or a lower limit is above its upper one. A matrix that is not positive
    definite (or not finite) spoils its own problem only: that solution is NaN.
    """
    _check(H, g, lower, upper)
    factor, failed = torch.linalg.cholesky_ex(H)
    newton = -torch.cholesky_solve(g[..., None], factor)[..., 0]
    x = newton.clamp(lower, upper).masked_fill(failed.bool()[..., None], torch.nan)
    if torch.equal(x, newton):
        return BoxSolution(x, torch.ones_like(x, dtype=torch.bool))
    enough = 64 * torch.finfo(x.dtype).eps  # below this, rounds only stir the rounding errors
    for _ in range(ROUNDS):
        slope = gradient(H, g, x)
        directions = _directions(H, slope, _free(slope, x, lower, upper))
        moved = _search(H, slope, x, directions, lower, upper)
        done = ~((moved - x).abs() > enough * x.abs().clamp(min=1)).any()
        x = moved
        if done:
            break
    return BoxSolution(x, _free(gradient(H, g, x), x, lower, upper))


def gradient(H: Tensor, g: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("...ij,...j->...i", H, x) + g


def on_free(H: Tensor, free: Tensor) -> Tensor:
    """H among free variables, the identity elsewhere; so that one factorisation serves every active set of a batch."""
    both = free[..., :, None] & free[..., None, :]
    return torch.where(both, H, torch.diag_embed((~free).to(H.dtype)))


def _free(slope: Tensor, x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    return ~(((x <= lower) & (slope > 0)) | ((x >= upper) & (slope < 0)))


def _directions(H: Tensor, slope: Tensor, free: Tensor) -> Tensor:
    """Newton's among the free variables, and the scaled gradient's: ``[2, ..., n]``.

    Close to a limit, projection can turn every Newton step uphill; the gradient's never, and it lands on the limit.
    """
    factor, _ = torch.linalg.cholesky_ex(on_free(H, free))
    newton = torch.cholesky_solve((slope * free)[..., None], factor)[..., 0]
    return -torch.stack([newton, slope / H.diagonal(dim1=-2, dim2=-1)])


def _search(H: Tensor, slope: Tensor, x: Tensor, directions: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """The best point of the projected paths, or x where none is better (or none is a number)."""
    lengths = STEP_LENGTHS.to(x).view(-1, 1, *[1] * x.dim())
    points = (x + lengths * directions).clamp(lower, upper).flatten(0, 1)
    change = points - x
    loss = (change * (slope + torch.einsum("...ij,l...j->l...i", H, change) / 2)).sum(-1)
    least, index = loss.nan_to_num(nan=torch.inf).min(dim=0)
    best = points.gather(0, index[None, ..., None].expand(1, *x.shape))[0]
    return torch.where((least < 0)[..., None], best, x)


def _check(H: Tensor, g: Tensor, lower: Tensor, upper: Tensor) -> None:
    if H.shape != (*g.shape, g.shape[-1]) or lower.shape != g.shape or upper.shape != g.shape:
        raise ValueError(
            "box_qp needs H [..., n, n] and g, lower, upper [..., n]; got "
            f"{[tuple(x.shape) for x in (H, g, lower, upper)]}; expand them to the same leading axes"
        )
    if (lower > upper).any():
        wrong = lower > upper
        raise ValueError(
            f"lower limits must not be above upper ones; got {lower[wrong][0].item()} above {upper[wrong][0].item()}; "
            "swap them"
        )
