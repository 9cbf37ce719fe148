"""Following a plan with its feedback gains, between two decisions that plan anew.

How long a plan has been followed is told by its length: every step of following it makes it one step shorter. So the
planner remembers nothing.
"""

from __future__ import annotations

from torch import Tensor

from planners.closed_loop import closed_loop
from planners.interface import Objective, Plan
from planners.predict import predict
from worldmodel.interface import State, WorldModel


def follow(
    model: WorldModel, objective: Objective, state: State, plan: Plan, discount: float = 1.0
) -> tuple[Tensor, Plan]:
    """The rest of ``plan`` from ``state [batch, latent]``, corrected by feedback where the state is not as predicted.

    The first action of ``plan`` has been executed; the state should be ``plan.states[:, 0]``. Returns the next action
    and the plan that is left, one step shorter. Raises ValueError for a plan without gains or without a next step.
    """
    if plan.gains is None or plan.actions.shape[1] < 2:
        has = "no gains" if plan.gains is None else "gains"
        raise ValueError(
            "Only a plan with gains and at least two steps can be followed; one with "
            f"{has} and {plan.actions.shape[1]} steps came. Plan anew instead."
        )
    gains, reference = plan.gains[:, 1:], plan.states.vector[:, :-1]
    start = state.map(lambda x: x[:, None])
    _, taken = closed_loop(model, start, reference, plan.actions[:, None, 1:], gains)
    states, value = predict(model, objective, state, taken[:, 0], discount)
    return taken[:, 0, 0], Plan(taken[:, 0], states, value, {}, gains=gains)
