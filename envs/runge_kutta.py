"""Physics in continuous time, integrated over one decision by the classic fourth-order method (Kutta 1901)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def integrate(slope: Callable[[Tensor], Tensor], state: Tensor, seconds: float | Tensor, steps: int) -> Tensor:
    """State ``[..., state]`` after ``seconds``, in ``steps`` equal steps of ``state' = slope(state)``.

    seconds: a number, or ``[..., 1]`` with a time of its own for each state.
    """
    dt = seconds / steps
    for _ in range(steps):
        first = slope(state)
        second = slope(state + dt / 2 * first)
        third = slope(state + dt / 2 * second)
        fourth = slope(state + dt * third)
        state = state + dt / 6 * (first + 2 * second + 2 * third + fourth)
    return state
