from __future__ import annotations

import pytest
import torch
from torch import Generator

from planners.interface import Planner
from planners.random_policy import RandomPolicy
from worldmodel.interface import State

EMPTY = State(torch.zeros(400, 0), torch.zeros(400, 0))


def walk(correlation: float, steps: int = 60) -> torch.Tensor:
    policy, plan, actions = RandomPolicy(2, Generator().manual_seed(0), correlation), None, []
    for _ in range(steps):
        action, plan = policy.plan(EMPTY, plan)
        actions.append(action)
    return torch.stack(actions)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_actions_are_uniform_and_as_correlated_as_asked(correlation: float) -> None:
    actions = walk(correlation)
    assert actions.shape == (60, 400, 2)
    assert actions.abs().max() <= 1
    quartiles = actions.flatten().quantile(torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(quartiles, torch.tensor([-0.5, 0.0, 0.5]), atol=0.05, rtol=0)
    normal = 2**0.5 * torch.erfinv(actions.clamp(-0.999999, 0.999999))
    measured = (normal[1:] * normal[:-1]).mean() / normal.square().mean()
    assert measured.item() == pytest.approx(correlation, abs=0.03)


def test_environments_and_action_dimensions_draw_independently() -> None:
    actions = walk(0.0)
    assert (actions[:, 1:] * actions[:, :-1]).mean().abs() < 0.02
    assert (actions[..., 0] * actions[..., 1]).mean().abs() < 0.02


def test_it_is_a_planner_and_predicts_nothing() -> None:
    policy = RandomPolicy(2, Generator().manual_seed(0))
    assert isinstance(policy, Planner)
    _, plan = policy.plan(EMPTY)
    assert torch.isnan(plan.value).all()
    assert policy.model_steps == 0
    assert policy.with_budget(100) is policy


def test_a_correlation_of_one_would_never_move() -> None:
    with pytest.raises(ValueError, match=r"correlation must be in \[0, 1\); got 1.0"):
        RandomPolicy(2, Generator(), 1.0)
