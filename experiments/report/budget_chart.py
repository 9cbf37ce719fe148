"""Return against budget, a line per planner: what more thinking buys."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from experiments.report.axis import Axis, axis_around, short


class Point(NamedTuple):
    """One row of the comparison. x: its budget; low, high: interval of the return ``y``."""

    x: float
    y: float
    low: float
    high: float


class Curve(NamedTuple):
    """colour: number of a colour of the page."""

    name: str
    colour: int
    points: Sequence[Point]


def budget_chart(curves: Sequence[Curve], unit: str) -> str:
    """Logarithmic in the budget, whose ``unit`` is named at the axis."""
    points = [point for curve in curves for point in curve.points]
    x, y = axis_around((p.x for p in points), log=True), axis_around(z for p in points for z in (p.low, p.high))
    lines = "".join(_line(curve, x, y) for curve in curves)
    marks = "".join(_marks(curve, x, y) for curve in curves)
    legend = "".join(f'<span class="c{curve.colour}"><b></b>{escape(curve.name)}</span>' for curve in curves)
    across = "".join(f'<i class="grid" style="bottom:{y.place(v):.2f}%"><u>{said}</u></i>' for v, said in y.labels())
    below = "".join(f'<span style="left:{x.place(v):.2f}%">{said}</span>' for v, said in x.labels())
    svg = f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{lines}</svg>'
    return (
        f'<div class="legend">{legend}</div><div class="plot" role="figure">{across}{svg}{marks}</div>'
        f'<div class="below">{below}</div><p class="unit">{escape(unit)} (logarithmic)</p>'
    )


def _line(curve: Curve, x: Axis, y: Axis) -> str:
    places = " ".join(f"{x.place(p.x):.2f},{100 - y.place(p.y):.2f}" for p in sorted(curve.points))
    return f'<polyline class="c{curve.colour}" points="{places}"/>'


def _marks(curve: Curve, x: Axis, y: Axis) -> str:
    marks = []
    for p in curve.points:
        says = escape(f"{curve.name} at {short(p.x)}: {p.y:.2f} ({p.low:.2f} to {p.high:.2f})")
        left, low, high = x.place(p.x), y.place(p.low), y.place(p.high)
        marks.append(
            f'<i class="ci c{curve.colour}" style="left:{left:.2f}%;bottom:{low:.2f}%;height:{high - low:.2f}%"></i>'
            f'<b class="dot c{curve.colour}" style="left:{left:.2f}%;bottom:{y.place(p.y):.2f}%" title="{says}"></b>'
        )
    return "".join(marks)
