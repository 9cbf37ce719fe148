"""MPPI of the package pytorch-mppi. One `command` is one iteration; the further ones refine without shifting."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_mppi
import torch
from planning_problem import Problem, Setting
from torch import Tensor


def mppi(problem: Problem, setting: Setting) -> Callable[[], Tensor]:
    planner = pytorch_mppi.MPPI(
        problem.transition,
        lambda latent, action: -problem.reward(latent),  # the state that its loop hands over is the one arrived at
        nx=problem.latent,
        noise_sigma=0.25 * torch.eye(problem.action),
        num_samples=setting.candidates,
        horizon=setting.horizon,
        lambda_=0.1,
        u_min=-torch.ones(problem.action),
        u_max=torch.ones(problem.action),
    )

    @torch.no_grad()
    def decide() -> Tensor:
        planner.U = torch.zeros(setting.horizon, problem.action)
        for _ in range(setting.iterations):
            planner.command(problem.start, shift_nominal_trajectory=False)
        return planner.get_action_sequence()[0]

    return decide
