"""Dots with intervals in rows, one per thing compared: made of HTML boxes, so that text stays readable on phones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from experiments.report.axis import Axis, axis_around, short


class Mark(NamedTuple):
    """One row. colour: number of a colour of the page. second: a hollow dot, joined to the first."""

    name: str
    value: float
    low: float
    high: float
    says: str
    colour: int = 0
    second: float | None = None


class Line(NamedTuple):
    """A line across all rows."""

    name: str
    value: float


class Group(NamedTuple):
    """Rows under a title."""

    title: str
    marks: Sequence[Mark]


def interval_chart(groups: Sequence[Group], lines: Sequence[Line] = ()) -> str:
    """All rows on one axis, so that groups can be compared."""
    numbers = [x for g in groups for m in g.marks for x in (m.value, m.low, m.high, m.second) if x is not None]
    axis = axis_around([*numbers, *(line.value for line in lines)])
    return "".join(_group(group, axis, lines) for group in groups)


def _group(group: Group, axis: Axis, lines: Sequence[Line]) -> str:
    rules = "".join(f'<i class="rule" style="left:{axis.place(line.value):.2f}%"></i>' for line in lines)
    rows = "".join(_row(mark, axis, rules) for mark in group.marks)
    title = f'<p class="group">{escape(group.title)}</p>' if group.title else ""
    return f'{title}<div class="chart" role="figure">{_names(lines, axis)}{rows}{_ticks(axis)}</div>'


def _row(mark: Mark, axis: Axis, rules: str) -> str:
    left, right = axis.place(mark.low), axis.place(mark.high)
    parts = [rules, f'<i class="ci" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>']
    if mark.second is not None:
        begin, end = sorted((axis.place(mark.value), axis.place(mark.second)))
        parts.append(f'<i class="join" style="left:{begin:.2f}%;width:{end - begin:.2f}%"></i>')
        parts.append(f'<b class="dot hollow" style="left:{axis.place(mark.second):.2f}%"></b>')
    parts.append(f'<b class="dot" style="left:{axis.place(mark.value):.2f}%"></b>')
    name, says = escape(mark.name), escape(mark.says)
    return (
        f'<div class="row c{mark.colour}" title="{name}: {says}"><span class="name">{name}</span>'
        f'<div class="track">{"".join(parts)}</div><span class="says">{says}</span></div>'
    )


def _names(lines: Sequence[Line], axis: Axis) -> str:
    """Above the rows; from the right half of the chart they grow to the left."""
    named = "".join(
        f'<span class="{"west" if axis.place(line.value) > 50 else "east"}" '
        f'style="left:{axis.place(line.value):.2f}%">{escape(line.name)} {short(line.value)}</span>'
        for line in lines
    )
    return f'<div class="row lines"><span></span><div class="track">{named}</div><span></span></div>' if lines else ""


def _ticks(axis: Axis) -> str:
    ticks = "".join(f'<span style="left:{axis.place(x):.2f}%">{said}</span>' for x, said in axis.labels())
    return f'<div class="row ticks"><span></span><div class="track">{ticks}</div><span></span></div>'
