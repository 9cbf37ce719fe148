"""How large a search fits into a number of model steps: the same rule for every planner."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TypeVar

from planners.interface import Planner

Sized = TypeVar("Sized", bound=Planner)


def largest_within(model_steps: int, sized: Callable[[int], Sized]) -> Sized:
    """The largest of the planners ``sized(1), sized(2), ...`` (ever more costly) of at most ``model_steps``.

    Raises ValueError where not even the first fits.
    """
    fitting = bisect_right(range(1, model_steps + 1), model_steps, key=lambda size: sized(size).model_steps)
    if not fitting:
        raise ValueError(
            f"{model_steps} model steps are too few: the smallest search takes {sized(1).model_steps}. Take a shorter "
            "horizon, fewer iterations or starts, or a larger budget."
        )
    return sized(fitting)
