"""A comparison as one HTML page: no script, no network, light and dark, for wide screens and phones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

import numpy as np

from experiments.comparison import Comparison, Row
from experiments.evaluate import interval
from experiments.ladder import RUNGS, Ladder
from experiments.report.budget_chart import Curve, Point, budget_chart
from experiments.report.document import document, made_by
from experiments.report.interval_chart import Group, Line, Mark, interval_chart

COLOURS = 8
COLUMNS = ("", "return", "95 %", "score", "against best", "predicted", "realised", "ms", "p90 ms", "model steps")
RUNG_NAMES = {
    "simulator": "all true (simulator)",
    "told-true-reward": "learned dynamics",
    "told": "and learned reward",
    "true-reward": "learned, but true reward",
    "learned": "as learned",
}


def page(comparison: Comparison) -> str:
    """The whole document."""
    rows = comparison.rows
    envs = ", ".join(dict.fromkeys(row.env for row in rows))
    seeds = f"seed{'s' * (len(comparison.seeds) > 1)} {', '.join(map(str, comparison.seeds))}"
    episodes = f"{comparison.episodes} episode{'s' * (comparison.episodes > 1)}"
    sections = [run_section(list(of_run), comparison) for _, of_run in groupby(rows, key=lambda row: row.model)]
    subtitle = f"Same checkpoint, same start states, equal budgets · {episodes} for each of {seeds}"
    body = "".join(sections) + left_out(comparison.left_out)
    return document(f"Planners compared on {envs}", subtitle, body, footer(comparison), ["page.css"])


def run_section(rows: list[Row], comparison: Comparison) -> str:
    model = rows[0].model
    ladder = comparison.ladders.get(model)
    return "".join(
        [
            f"<h2>{escape(model)}</h2>{headlines(rows)}",
            returns_card(rows, comparison.references.get(rows[0].env)),
            budgets_card(rows),
            gap_card(rows),
            ladder_card(ladder) if ladder else "",
            table_card(rows),
        ]
    )


def card(title: str, hint: str, content: str) -> str:
    return f'<section class="card"><h3>{escape(title)}</h3><p class="hint">{escape(hint)}</p>{content}</section>'


def by_budget(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    names = dict.fromkeys(row.budget for row in rows)
    return [(name, [row for row in rows if row.budget == name]) for name in names]


def colour_of(rows: Sequence[Row]) -> dict[str, int]:
    """The same colour for a planner in all charts of a run."""
    return {name: i % COLOURS for i, name in enumerate(dict.fromkeys(row.planner for row in rows))}


def headlines(rows: Sequence[Row]) -> str:
    return f'<ul class="lead">{"".join(f"<li>{escape(headline(*group))}</li>" for group in by_budget(rows))}</ul>'


def headline(budget: str, rows: Sequence[Row]) -> str:
    """Who is best, and who cannot be told from it."""
    best = next(row for row in rows if row.versus is None)
    alike = [row.planner for row in rows if row.versus and row.versus.high >= 0]
    score = "" if best.score is None else f", score {best.score:.2f}"
    lead = f"{budget}: {best.planner} earns most, {best.return_mean:.1f} in the mean{score}"
    if len(rows) == 1:
        return lead + "."
    if not alike:
        return f"{lead}; every other planner's difference from it has an interval below zero."
    return f"{lead}; {', '.join(alike)} cannot be told from it with so many episodes."


def returns_card(rows: Sequence[Row], reference: tuple[float, float] | None) -> str:
    lines = [Line("random", reference[0]), Line("reference", reference[1])] if reference else []
    groups = [
        Group(budget, [return_mark(row, colour_of(rows)[row.planner]) for row in group])
        for budget, group in by_budget(rows)
    ]
    hint = "Mean return and its 95 % bootstrap interval over episodes; further right is better."
    against = " Dotted: random actions, and CEM with a large budget on the true simulator." if lines else ""
    return card("Return by planner", hint + against, interval_chart(groups, lines))


def return_mark(row: Row, colour: int) -> Mark:
    says = f"{row.return_mean:.1f} ({row.return_low:.1f} to {row.return_high:.1f})"
    return Mark(row.planner, row.return_mean, row.return_low, row.return_high, says, colour)


def budgets_card(rows: Sequence[Row]) -> str:
    if len(by_budget(rows)) < 2:
        return ""
    steps = all(row.budget.startswith("steps") for row in rows)
    unit = "model steps per decision" if steps else "milliseconds per decision, one environment"
    curves = []
    for planner, colour in colour_of(rows).items():
        of_planner = [row for row in rows if row.planner == planner]
        points = [
            Point(row.model_steps if steps else row.decision_ms, row.return_mean, row.return_low, row.return_high)
            for row in of_planner
        ]
        curves.append(Curve(planner, colour, points))
    hint = "What more thinking buys: up is better, left is cheaper. Bars are 95 % intervals."
    return card("Return against budget", hint, budget_chart(curves, unit))


def gap_card(rows: Sequence[Row]) -> str:
    groups = [
        Group(budget, [gap_mark(row, colour_of(rows)[row.planner]) for row in group if row.predicted is not None])
        for budget, group in by_budget(rows)
    ]
    groups = [group for group in groups if group.marks]
    hint = (
        "Hollow: the value that each plan predicted. Full: what the same number of steps then paid (the shaded bar is "
        "the interval of the gap between them). Hollow to the right of full: the planner was promised too much."
    )
    return card("The imagination gap", hint, interval_chart(groups)) if groups else ""


def gap_mark(row: Row, colour: int) -> Mark:
    predicted, realised = row.predicted or 0.0, row.realised or 0.0
    low, high = predicted - (row.gap_high or 0.0), predicted - (row.gap_low or 0.0)
    return Mark(row.planner, realised, low, high, f"{predicted:.2f} → {realised:.2f}", colour, predicted)


def ladder_card(ladder: Ladder) -> str:
    marks = []
    for rung in RUNGS:
        returns = list(ladder.returns[rung])
        mean, (low, high) = float(np.mean(returns)), interval(returns)
        marks.append(Mark(RUNG_NAMES[rung], mean, low, high, f"{mean:.1f} ({low:.1f} to {high:.1f})"))
    first, *more = (escape(sentence) for sentence in ladder.words)
    words = f'<p class="lead">{first}</p><ul>{"".join(f"<li>{sentence}</li>" for sentence in more)}</ul>'
    hint = (
        f"{ladder.planner}: the same planner from the same start states, while true parts are replaced by learned "
        "ones. Losses are paired by start state."
    )
    return card("Who loses the return", hint, words + interval_chart([Group("", marks)]))


def table_card(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    lines = []
    for budget, group in by_budget(rows):
        lines.append(f'<tr class="group"><td>{escape(budget)}</td><td colspan="{len(COLUMNS) - 1}"></td></tr>')
        lines += [table_line(row, colour_of(rows)[row.planner]) for row in group]
    hint = "Times: of one decision for one environment, median and 90th percentile, on the same pictures for all."
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    return card("All numbers", hint, table)


def table_line(row: Row, colour: int) -> str:
    versus = row.versus
    cells = [
        row.planner,
        f"{row.return_mean:.2f}",
        f"{row.return_low:.2f} to {row.return_high:.2f}",
        number(row.score, 3),
        "best" if versus is None else f"{versus.mean:.2f} ({versus.low:.2f} to {versus.high:.2f})",
        number(row.predicted, 2),
        number(row.realised, 2),
        f"{row.decision_ms:.1f}",
        f"{row.decision_ms_p90:.1f}",
        f"{row.model_steps:,}",
    ]
    return f'<tr class="c{colour}">{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'


def number(x: float | None, digits: int) -> str:
    return "–" if x is None else f"{x:.{digits}f}"


def left_out(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    listed = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return card("Left out", "What could not be compared, and why.", f"<ul>{listed}</ul>")


def footer(comparison: Comparison) -> list[str]:
    several = " (cells were played by different code)" if len(comparison.commits) > 1 else ""
    return [
        "Intervals are 95 % BCa bootstrap intervals over episodes; the best was picked by its return, which flatters "
        "its lead a little.",
        made_by(f"{', '.join(comparison.commits)}{several}", comparison.device),
    ]
