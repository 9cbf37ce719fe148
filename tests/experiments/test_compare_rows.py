"""Rows, intervals and the page, from planted outcomes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from experiments.budget import Budget
from experiments.cells import Outcome
from experiments.comparison import Comparison, Entry, rows_of, to_json
from experiments.config import PlannerConfig
from experiments.decision_time import Times
from experiments.ladder import RUNGS, Floor, climb
from experiments.report.axis import Axis, axis_around, short
from experiments.report.compare_page import page

STARTS = np.random.default_rng(0).normal(50, 20, 20)
KEYS = {"env", "model", "budget", "episodes", "seed", "rows"}
ROW_KEYS = {
    "planner",
    "score",
    "return_mean",
    "return_low",
    "return_high",
    "predicted",
    "realised",
    "decision_ms",
    "model_steps",
}


def entry(
    planner: str, returns: np.ndarray, budget: int = 100, model: str = "runs/a", gap: float | None = 1.0
) -> Entry:
    count = len(returns)
    predicted = tuple(None if gap is None else 10 + gap for _ in range(count))
    realised = tuple(None if gap is None else 10.0 for _ in range(count))
    half = count // 2
    outcomes = tuple(
        Outcome(tuple(returns[part].tolist()), predicted[part], realised[part], {}, 1.0, "abc")
        for part in (slice(0, half), slice(half, count))
    )
    config = PlannerConfig(planner, 5, candidates=3)
    return Entry("pendulum", model, Budget("steps", budget), planner, config, budget - 1, Times(2.0, 3.0), outcomes)


def comparison(entries: list[Entry], ladder: bool = False) -> Comparison:
    climbed = climb("cem", {rung: STARTS.tolist() for rung in RUNGS}, Floor(0, 60, 1), {})
    ladders = {"runs/a": climbed} if ladder else {}
    rows = rows_of(entries, {"pendulum": None})
    return Comparison(rows, ladders, ("<too small>",), (0, 1), 10, {"pendulum": (3.0, 84.0)}, ("abc",), "cpu")


def test_paired_differences_are_certain_where_returns_are_not() -> None:
    """Every start is 2 ± 0.5 worse: the two intervals of the mean overlap, that of the difference is narrow."""
    shift = 2 + np.random.default_rng(1).normal(0, 0.5, 20)
    better, worse = rows_of([entry("cem", STARTS), entry("mppi", STARTS - shift)], {"pendulum": None})
    assert worse.return_high > better.return_low
    assert better.versus is None
    assert worse.versus is not None
    assert worse.versus.best == "cem"
    assert worse.versus.mean == pytest.approx(-shift.mean())
    standard_error = shift.std(ddof=1) / np.sqrt(20)
    assert worse.versus.high - worse.versus.low == pytest.approx(2 * 1.96 * standard_error, rel=0.2)
    assert worse.versus.high < 0


def test_a_constant_difference_has_no_width() -> None:
    row = rows_of([entry("cem", STARTS), entry("mppi", STARTS - 3)], {"pendulum": None})[1]
    assert row.versus is not None
    assert (row.versus.low, row.versus.high) == pytest.approx((-3, -3))


def test_the_best_is_that_of_the_same_run_and_budget() -> None:
    entries = [entry("cem", STARTS), entry("mppi", STARTS + 9, 200), entry("icem", STARTS + 5, model="runs/b")]
    assert [row.versus for row in rows_of(entries, {"pendulum": None})] == [None, None, None]


def test_the_gap_is_predicted_less_realised_and_may_be_unknown() -> None:
    told, unknown = rows_of([entry("cem", STARTS, gap=1.5), entry("mppi", STARTS - 1, gap=None)], {"pendulum": None})
    assert (told.predicted, told.realised, told.gap_low, told.gap_high) == (11.5, 10.0, 1.5, 1.5)
    assert (unknown.predicted, unknown.realised, unknown.gap_low) == (None, None, None)


def test_json_has_the_schema_and_survives_writing() -> None:
    content = json.loads(
        json.dumps(to_json(comparison([entry("cem", STARTS), entry("mppi", STARTS)])), allow_nan=False)
    )
    assert content.keys() >= KEYS
    assert all(row.keys() >= ROW_KEYS for row in content["rows"])
    assert (content["env"], content["model"], content["budget"]) == ("pendulum", "runs/a", "steps=100")
    assert (content["episodes"], content["seed"]) == (10, [0, 1])
    several = to_json(comparison([entry("cem", STARTS), entry("cem", STARTS, 200)]))
    assert several["budget"] == ["steps=100", "steps=200"]
    assert [row["budget"] for row in several["rows"]] == several["budget"]


def test_the_page_shows_everything_and_needs_no_network() -> None:
    names = ("random-shooting", "cem", "icem", "mppi", "ilqr", "gradient:starts=2")
    entries = [entry(name, STARTS - i, budget) for budget in (100, 200) for i, name in enumerate(names)]
    html = page(comparison(entries, ladder=True))
    assert all(html.count(name) >= 5 for name in names)
    for title in (
        "Return by planner",
        "Return against budget",
        "imagination gap",
        "Who loses the return",
        "All numbers",
    ):
        assert title in html
    assert not re.search(r"https?://|<script|<link|src=", html)
    assert "&lt;too small&gt;" in html
    assert "nan" not in re.findall(r"[\w.]+(?=%)", html)


def test_the_page_manages_with_one_row(tmp_path: Path) -> None:
    html = page(comparison([entry("cem", np.array([5.0, 5.0]), gap=None)]))
    assert "Return against budget" not in html
    assert "The imagination gap" not in html


def test_axes_show_all_values_at_round_ticks() -> None:
    axis = axis_around([12.0, 88.0])
    assert 0 < axis.place(12.0) < axis.place(50.0) < axis.place(88.0) < 100
    assert axis.ticks() == [20, 40, 60, 80]
    assert axis_around([5.0, 5.0]).place(5.0) == pytest.approx(50)
    log = axis_around([100.0, 10000.0], log=True)
    assert log.place(1000.0) == pytest.approx(50)
    assert log.ticks() == [100, 200, 500, 1000, 2000, 5000, 10000]
    assert [short(x) for x in (0.25, 72.94, 2000, 20000, 3e6)] == ["0.25", "72.9", "2k", "20k", "3M"]
    assert [said for _, said in Axis(0.14798, 0.14902).labels()][:3] == ["0.148", "0.1482", "0.1485"]
