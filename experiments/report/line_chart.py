"""Lines over a common axis, with bands: HTML boxes for text, so that it stays readable on phones, SVG for lines."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from experiments.report.axis import Axis, axis_around, short


class Series(NamedTuple):
    """x and y ``[points]``; low and high, if given, a band around y. colour: number of a colour of the page.

    dots: marks for points rather than a line between them.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: int = 0
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dashed: bool = False
    dots: bool = False


def line_chart(series: Sequence[Series], unit: str, log: bool = False, zero: bool = False, small: bool = False) -> str:
    """log: of the y axis. zero: the y axis begins at 0. unit: said below. small: one of several side by side."""
    shown = [finite(one) for one in series]
    shown = [one for one in shown if len(one.x)]
    if not shown:
        return '<p class="hint">Nothing to draw: no finite value.</p>'
    x, y = axes_of(shown, log, zero)
    legend = "".join(f'<span class="c{s.colour} {kind(s)}"><b></b>{escape(s.name)}</span>' for s in shown)
    across = "".join(f'<i class="grid" style="bottom:{y.place(v):.2f}%"><u>{said}</u></i>' for v, said in y.labels())
    below = "".join(f'<span style="left:{x.place(v):.2f}%">{said}</span>' for v, said in x.labels())
    drawn = "".join(band(s, x, y) for s in shown) + "".join(line(s, x, y) for s in shown if not s.dots)
    marks = "".join(dots(s, x, y) for s in shown if s.dots)
    svg = f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'
    return (
        f'<div class="lines-chart{" small" * small}"><div class="legend">{legend}</div>'
        f'<div class="plot" role="figure">{across}{svg}{marks}</div>'
        f'<div class="below">{below}</div><p class="unit">{escape(unit)}</p></div>'
    )


def axes_of(series: Sequence[Series], log: bool, zero: bool) -> tuple[Axis, Axis]:
    """Of x and y, so that all finite values and bands are shown."""
    shown = [finite(one) for one in series]
    ys = np.concatenate([part for one in shown for part in (one.y, one.low, one.high) if part is not None])
    xs = np.concatenate([one.x for one in shown])
    return (Axis(float(xs.min()), float(xs.max())) if np.ptp(xs) else axis_around(xs)), y_axis(ys, log, zero)


def kind(series: Series) -> str:
    return "dash" if series.dashed else "spot" if series.dots else ""


def y_axis(values: np.ndarray, log: bool, zero: bool) -> Axis:
    if log:
        return axis_around(values[values > 0].tolist(), log=True)
    axis = axis_around(values.tolist())
    return Axis(0.0, axis.high) if zero and axis.high > 0 else axis


def finite(series: Series) -> Series:
    """Only the points of which everything is known."""
    known = [part for part in (series.x, series.y, series.low, series.high) if part is not None]
    keep = np.isfinite(known).all(0)
    parts = (None if part is None else part[keep] for part in (series.low, series.high))
    return series._replace(x=series.x[keep], y=series.y[keep], low=next(parts), high=next(parts))


def line(series: Series, x: Axis, y: Axis) -> str:
    return f'<polyline class="c{series.colour} {kind(series)}" points="{points(series.x, series.y, x, y)}"/>'


def band(series: Series, x: Axis, y: Axis) -> str:
    if series.low is None or series.high is None:
        return ""
    around = points(np.r_[series.x, series.x[::-1]], np.r_[series.low, series.high[::-1]], x, y)
    return f'<polygon class="c{series.colour}" points="{around}"/>'


def points(xs: np.ndarray, ys: np.ndarray, x: Axis, y: Axis) -> str:
    return " ".join(f"{x.place(a):.2f},{100 - y.place(b):.2f}" for a, b in zip(xs.tolist(), ys.tolist(), strict=True))


def dots(series: Series, x: Axis, y: Axis) -> str:
    return "".join(
        f'<b class="dot c{series.colour}" style="left:{x.place(a):.2f}%;bottom:{y.place(b):.2f}%" '
        f'title="{escape(series.name)}: {short(a)}, {short(b)}"></b>'
        for a, b in zip(series.x.tolist(), series.y.tolist(), strict=True)
    )
