"""Learning curves as a picture: one panel per task, one line per seed, published returns as dashed lines. SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from experiments.report.axis import Axis

WIDE, HIGH, LEFT, TOP, GAP = 300, 190, 44, 30, 26
PER_ROW = 3
COLOURS = ("#366cb0", "#e2682e", "#3a7d5c", "#8a4f9e", "#a08020")
Curve = Sequence[tuple[float, float]]


def curves(panels: Mapping[str, Sequence[Curve]], lines: Mapping[str, Mapping[str, float]], highest: float) -> str:
    """An SVG. panels: by title, curves of points ``(frames, return)``. lines: by title, levels by name."""
    columns = min(PER_ROW, len(panels))
    rows = -(-len(panels) // PER_ROW)
    width, height = columns * (WIDE + LEFT) + GAP, rows * (HIGH + TOP + GAP) + GAP
    last = max((x for many in panels.values() for one in many for x, _ in one), default=1.0)
    x, y = Axis(0, last), Axis(0, highest)
    drawn = []
    for number, (title, many) in enumerate(panels.items()):
        across, down = number % PER_ROW * (WIDE + LEFT) + LEFT, number // PER_ROW * (HIGH + TOP + GAP) + TOP
        inside = panel(title, many, lines.get(title, {}), x, y)
        drawn.append(f'<g transform="translate({across},{down})">{inside}</g>')
    style = "font:11px system-ui,sans-serif;fill:#343a48"
    frame = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" style="{style}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {frame}><rect width="100%" height="100%" fill="#fff"/>' + (
        "".join(drawn) + "</svg>\n"
    )


def panel(title: str, many: Sequence[Curve], levels: Mapping[str, float], x: Axis, y: Axis) -> str:
    def point(at: tuple[float, float]) -> str:
        return f"{x.place(at[0]) * WIDE / 100:.1f},{HIGH - y.place(at[1]) * HIGH / 100:.1f}"

    parts = [f'<text x="0" y="-10" font-weight="600">{escape(title)}</text>']
    for tick, said in y.labels():
        row = HIGH - y.place(tick) * HIGH / 100
        parts.append(f'<path d="M0 {row:.1f}H{WIDE}" stroke="#e6e4de"/>')
        parts.append(f'<text x="-6" y="{row + 4:.1f}" text-anchor="end">{said}</text>')
    for tick, said in x.labels():
        place = x.place(tick) * WIDE / 100
        parts.append(f'<text x="{place:.1f}" y="{HIGH + 15}" text-anchor="middle">{said}</text>')
    for name, level in levels.items():
        row = HIGH - y.place(level) * HIGH / 100
        parts.append(f'<path d="M0 {row:.1f}H{WIDE}" stroke="#96989e" stroke-dasharray="4 3"/>')
        parts.append(f'<text x="{WIDE}" y="{row - 3:.1f}" text-anchor="end" fill="#6a6c72">{escape(name)}</text>')
    for number, one in enumerate(many):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{" ".join(map(point, one))}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "".join(parts)
