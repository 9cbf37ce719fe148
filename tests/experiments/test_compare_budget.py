"""Budgets: what is written, what a planner makes of them, and how one is found for milliseconds."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from experiments import run_folder
from experiments.budget import Budget, TooSmallError, budgeted, fit_steps, parse_budget
from experiments.config import PlannerConfig
from experiments.decision_time import CLOSE, Times, largest_within, smallest_budget
from experiments.errors import UserError
from experiments.planner_choice import choose
from experiments.planning import make_planner
from planners.objective import LearnedReward

LIKE = PlannerConfig("cem", 9, candidates=40, discount=0.9)


def test_budgets_are_read_and_said_alike() -> None:
    assert parse_budget("steps=20000") == Budget("steps", 20000)
    assert parse_budget("ms=2.5") == Budget("ms", 2.5)
    assert [str(parse_budget(text)) for text in ("steps=20000", "ms=0.5", "steps=3000000")] == [
        "steps=20000",
        "ms=0.5",
        "steps=3000000",
    ]


@pytest.mark.parametrize(
    "text", ["", "20000", "steps", "steps=", "steps=many", "steps=-3", "ms=0", "ms=nan", "s=3", "ms=inf"]
)
def test_malformed_budgets_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"steps=NUMBER .* ms=NUMBER"):
        parse_budget(text)


@pytest.mark.parametrize("name", ["random-shooting", "cem", "icem", "mppi", "tdmpc", "ilqr", "gradient"])
@pytest.mark.parametrize("steps", [900, 20000])
def test_equal_budgets_are_kept_and_used(tiny_run: Path, name: str, steps: int) -> None:
    model = run_folder.load_model(tiny_run, torch.device("cpu"))[1]
    fitted = fit_steps(PlannerConfig(name, 6), model, steps)
    used = budgeted(fitted, model).model_steps  # built anew from the configuration alone
    assert used <= steps
    assert used > 0.8 * steps


def test_a_budget_below_the_smallest_search_is_refused(tiny_run: Path) -> None:
    model = run_folder.load_model(tiny_run, torch.device("cpu"))[1]
    with pytest.raises(TooSmallError, match="steps=50 is too small for ilqr"):
        fit_steps(PlannerConfig("ilqr", 6), model, 50)


def test_the_fitted_configuration_says_all_that_make_planner_needs(tiny_run: Path) -> None:
    model = run_folder.load_model(tiny_run, torch.device("cpu"))[1]
    fitted = fit_steps(PlannerConfig("icem", 6), model, 5000)
    planner = make_planner(fitted, model, LearnedReward(model), torch.Generator())
    assert (fitted.candidates, fitted.elites, fitted.iterations) == (planner.candidates, planner.elites, 5)  # type: ignore[attr-defined]


def test_planners_are_chosen_by_name_with_numbers() -> None:
    assert choose("cem", LIKE) == LIKE
    assert choose("mppi", LIKE) == PlannerConfig("mppi", 9, discount=0.9)
    assert choose("icem:iterations=4,colour=1.5", LIKE) == PlannerConfig("icem", 9, 4, colour=1.5, discount=0.9)
    assert isinstance(choose("cem:min-std=1", LIKE).min_std, float)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cme", "Did you mean 'cem'"),
        ("cem:colr=2", "Did you mean 'colour'"),
        ("cem:colour=blue", "numbers"),
        ("cem:iterations=2.5", "numbers"),
    ],
)
def test_planners_that_do_not_exist_are_refused(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        choose(text, LIKE)


@dataclass(frozen=True)
class Clockwork:
    """Takes 3 ms and 0.01 ms a model step; grows by whole iterations of ``grain`` steps."""

    grain: int
    iterations: int = 1

    @property
    def model_steps(self) -> int:
        return self.grain * self.iterations

    def with_budget(self, model_steps: int) -> "Clockwork":
        if model_steps < self.grain:
            raise ValueError("too small")
        return replace(self, iterations=model_steps // self.grain)


@pytest.mark.parametrize("grain", [1, 7, 60, 2000])
@pytest.mark.parametrize("ms", [25.0, 200.0])
def test_the_largest_search_within_the_time_is_found(grain: int, ms: float) -> None:
    trials = []

    def timed(planner: Clockwork) -> Times:
        trials.append(planner.model_steps)
        return Times(3 + 0.01 * planner.model_steps, 0.0)

    found = largest_within(Clockwork(grain), ms, timed)  # type: ignore[arg-type]
    assert found is not None
    assert found[1].median <= ms
    most = int((ms - 3) / 0.01) // grain * grain
    assert found[0].model_steps >= most / CLOSE**2 - grain
    assert len(trials) < 20


def test_there_may_be_no_search_within_the_time() -> None:
    slow = lambda planner: Times(3 + 0.01 * planner.model_steps, 0.0)  # noqa: E731
    assert largest_within(Clockwork(100), 3.5, slow) is None  # type: ignore[arg-type]


def test_the_smallest_budget_is_found() -> None:
    assert smallest_budget(Clockwork(137)) == 137  # type: ignore[arg-type]
