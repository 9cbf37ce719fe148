"""CEM, iCEM and MPPI of the package mbrl (mbrl-lib). Its optimisers take a function of action sequences; the loop over
the model is ours, leaner than mbrl's own, which goes through NumPy.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from mbrl.planning import CEMOptimizer, ICEMOptimizer, MPPIOptimizer
from planning_problem import Problem, Sequenced, Setting
from torch import Tensor

CPU = torch.device("cpu")


def cem(problem: Problem, setting: Setting) -> Callable[[], Tensor]:
    lower, upper = limits(problem, setting)
    optimiser = CEMOptimizer(
        num_iterations=setting.iterations,
        elite_ratio=setting.elites / setting.candidates,
        population_size=setting.candidates,
        lower_bound=lower,
        upper_bound=upper,
        alpha=0.0,
        device=CPU,
        return_mean_elites=True,
        clipped_normal=True,
    )
    return deciding(optimiser.optimize, problem, setting)


def icem(problem: Problem, setting: Setting) -> Callable[[], Tensor]:
    lower, upper = limits(problem, setting)
    optimiser = ICEMOptimizer(
        num_iterations=setting.iterations,
        elite_ratio=setting.elites / setting.candidates,
        population_size=setting.candidates,
        population_decay_factor=1.25,
        colored_noise_exponent=2.0,
        lower_bound=lower,
        upper_bound=upper,
        keep_elite_frac=0.3,
        alpha=0.1,
        device=CPU,
    )
    return deciding(optimiser.optimize, problem, setting)


def mppi(problem: Problem, setting: Setting) -> Callable[[], Tensor]:
    lower, upper = limits(problem, setting)
    optimiser = MPPIOptimizer(
        num_iterations=setting.iterations,
        population_size=setting.candidates,
        gamma=10.0,
        sigma=0.5,
        beta=0.6,
        lower_bound=lower,
        upper_bound=upper,
        device=CPU,
    )
    decide = deciding(optimiser.optimize, problem, setting)

    def afresh() -> Tensor:
        optimiser.mean = torch.zeros(setting.horizon, problem.action)
        return decide()

    return afresh


def limits(problem: Problem, setting: Setting) -> tuple[list[list[float]], list[list[float]]]:
    upper = torch.ones(setting.horizon, problem.action)
    return (-upper).tolist(), upper.tolist()


def deciding(optimise: Callable[..., Tensor], problem: Problem, setting: Setting) -> Callable[[], Tensor]:
    evaluate, start = Sequenced(problem), torch.zeros(setting.horizon, problem.action)

    @torch.no_grad()
    def decide() -> Tensor:
        return optimise(evaluate, x0=start)[0]

    return decide
