"""The page's pictures as PNG files, one of each kind for every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.report.colours import CIRCLE, SCALE, colours_of
from experiments.report.figure import COLOURS, SOFT, Box, Figure, chart
from experiments.report.show_linearity import RADII, RADIUS_TOLD, Linear, foretold_series, horizon_series
from experiments.report.show_map import Mapped, View, limits, r2, view_data
from experiments.report.show_open_loop import Foresight, calibration_series, error_series
from experiments.report.show_page import Shown
from experiments.report.show_plan import Plans
from experiments.report.show_traversals import Traversed
from experiments.state_probe import is_angle

YAW, PITCH = 0.5, -0.35  # how the page shows three dimensions at first
STRIP = 10
LAYERS = 24  # of dots, in depth


def write_figures(shown: Shown, folder: Path) -> list[Path]:
    """``NAME-map.png`` and so on in ``folder``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "map": map_figure(shown.mapped, shown.seen.config.env),
        "open-loop": open_loop_figure(shown.foresight),
        "plan": plan_figure(shown.plans),
        "traversals": traversals_figure(shown.traversed),
    }
    if shown.linear:
        figures["linearity"] = linearity_figure(shown.linear)
    paths = [folder / f"{shown.seen.name}-{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        figure.save(path)
    return paths


def map_figure(mapped: Mapped, task: str) -> Figure:
    """As told by the probe if the true state is known, coloured by its first angle, or its first variable."""
    points = mapped.points
    view = next((view for view in mapped.views if view.told), mapped.views[0])
    coloured = next((i for i, name in enumerate(points.names) if is_angle(name)), 0)
    name, values = points.names[coloured], points.values[:, coloured]
    figure = Figure(760, 700)
    figure.text(24, 18, f"{task}: what the latent tells of {', '.join(view.axes) if view.told else 'itself'}", 19)
    places, depth = on_page(view, (24, 60, 736, 620))
    colours = scale_colours(name, values)
    for near in np.array_split(np.argsort(depth), LAYERS):  # from far to near, ever larger and clearer
        share = (depth[near].mean() - depth.min()) / max(np.ptp(depth), 1e-9) if np.ptp(depth) else 1.0
        faded = 255 - (0.35 + 0.65 * share) * (255.0 - colours[near])
        figure.dots(places[near], faded.astype(np.uint8), 1.8 + 1.8 * share, 230)
    scores = mapped.scores
    if scores.features:
        told = ", ".join(f"{f} {r2(r)}" for f, r in zip(scores.features, scores.linear, strict=True))
        figure.text(24, 668, f"R2 by a line, held-out episodes: {told}", 13, SOFT)
    colour_bar(figure, (24, 636, 264, 648), name, values)
    return figure


def scale_colours(name: str, values: np.ndarray) -> np.ndarray:
    low, high = limits(name, values)
    share = np.nan_to_num((values - low) / max(high - low, 1e-9))
    return colours_of(share, CIRCLE if is_angle(name) else SCALE)


def colour_bar(figure: Figure, box: Box, name: str, values: np.ndarray) -> None:
    low, high = limits(name, values)
    stops = CIRCLE if is_angle(name) else SCALE
    figure.bar(box[0] + 40, box[1], box[2] - box[0] - 80, box[3] - box[1], colours_of(np.linspace(0, 1, 200), stops))
    said = ("-pi", "pi") if is_angle(name) else (f"{low:.2g}", f"{high:.2g}")
    figure.text(box[0] + 34, (box[1] + box[3]) / 2, said[0], 13, SOFT, "rm")
    figure.text(box[2] - 34, (box[1] + box[3]) / 2, f"{said[1]}  {name}", 13, SOFT, "lm")


def on_page(view: View, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Places in the box and how near each is to the reader."""
    points, depth = np.asarray(view_data(view)["points"]), np.zeros(len(view.places))
    if points.shape[1] == 3:
        points, depth = turned(points)
    low, high = points.min(0), points.max(0)
    return within(points - (low + high) / 2, (high - low) / 2 + 1e-6, box), depth


def turned(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = points.T
    u, v = np.cos(YAW) * x + np.sin(YAW) * z, np.cos(YAW) * z - np.sin(YAW) * x
    return np.stack([u, np.cos(PITCH) * y - np.sin(PITCH) * v], -1), np.sin(PITCH) * y + np.cos(PITCH) * v


def within(points: np.ndarray, half: np.ndarray, box: Box) -> np.ndarray:
    """Points around 0 that reach ``half`` to either side, one scale for both axes."""
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    scale = min((box[2] - box[0]) / 2 / half[0], (box[3] - box[1]) / 2 / half[1])
    return middle + points * scale * np.array([1, -1])


def open_loop_figure(found: Foresight) -> Figure:
    loop, side = found.loop, 92
    ahead = np.unique(np.linspace(loop.filtered - 2, len(loop.truth) - 1, STRIP).round().astype(int).clip(0))
    charts = [
        *((f"Error of the {q.name}", error_series(q), f"steps ahead; {q.unit}, rms") for q in found.quantities),
        (f"Calibration, {found.covered_what}", calibration_series(found), "nominal %; up: held, %"),
    ]
    lines = -(-len(charts) // 3)
    figure = Figure(90 + STRIP * (side + 4), 3 * (side + 4) + 70 + lines * 270)
    for r, (name, pictures) in enumerate([("truth", loop.truth), ("model", loop.model), ("error", loop.error)]):
        figure.text(16, 40 + (r + 0.5) * (side + 4), name, 15, SOFT, "lm")
        for c, row in enumerate(ahead.tolist()):
            figure.picture(80 + c * (side + 4), 40 + r * (side + 4), pictures[row], side)
    for c, row in enumerate(ahead.tolist()):
        said = "seen" if row < loop.filtered else f"{row - loop.filtered + 1} ahead"
        figure.text(80 + (c + 0.5) * (side + 4), 22, said, 13, SOFT, "mm")
    wide = (figure.width - 32) / 3
    for i, (title, series, unit) in enumerate(charts):
        left, top = 16 + (i % 3) * wide, 3 * (side + 4) + 62 + (i // 3) * 270
        chart(figure, (left, top, left + wide - 16, top + 250), title, series, unit, zero=True)
    return figure


def plan_figure(plans: Plans) -> Figure:
    """The moment in the middle, its last iteration."""
    moment = plans.moments[len(plans.moments) // 2]
    search, tube = moment.iterations[-1], moment.tube
    figure, box = Figure(800, 790), (24.0, 70.0, 776.0, 570.0)
    thick = [search.mean, *search.elites, *(part.path for part in (tube, moment.happened) if part)]
    around = np.concatenate(thick)
    middle, half = (around.min(0) + around.max(0)) / 2, 0.65 * np.ptp(around, axis=0) + 1e-6

    def put(places: np.ndarray) -> np.ndarray:
        return within(places - middle, half, box)

    inside = plans.background[(np.abs(plans.background - middle) < half).all(1)]
    figure.dots(put(inside), np.full((len(inside), 3), 190), 2)
    for path in search.candidates:
        figure.line(put(path), COLOURS[0], 1, 50)
    for outline in tube.open if tube else ():
        figure.area(put(outline), COLOURS[7], 22)
    for outline in tube.closed if tube else ():
        figure.area(put(outline), COLOURS[3], 40)
    for path in search.elites:
        figure.line(put(path), COLOURS[1], 1.2, 150)
    if tube:
        figure.line(put(tube.path), COLOURS[3], 2.6)
    figure.line(put(search.mean), COLOURS[1], 3)
    if moment.happened:
        figure.line(put(moment.happened.path), COLOURS[2], 2.6, dashed=True)
    figure.text(24, 16, f"A plan on the map: {plans.planner}, {moment.name}", 19)
    words = "blue: candidates · orange: elites, mean · purple: iLQR and its tube · dashed green: what then happened"
    figure.text(24, 42, words, 13, SOFT)
    rows = [("planned", moment.decoded), *([("happened", moment.happened.pictures)] if moment.happened else [])]
    film(figure, rows, 590, 84)
    return figure


def film(figure: Figure, rows: Sequence[tuple[str, np.ndarray]], top: float, side: float, names: int = 94) -> None:
    """As many pictures of each row as there is room for, evenly spread."""
    room = int((figure.width - names - 16) // (side + 4))
    for r, (name, pictures) in enumerate(rows):
        figure.text(16, top + (r + 0.5) * (side + 4), name, 14, SOFT, "lm")
        chosen = np.unique(np.linspace(0, len(pictures) - 1, min(room, len(pictures))).round().astype(int))
        for c, i in enumerate(chosen.tolist()):
            figure.picture(names + c * (side + 4), top + r * (side + 4), pictures[i], side)


def traversals_figure(found: Traversed) -> Figure:
    side = 72
    swept = [(sweep.name, sweep.pictures) for sweep in found.sweeps]
    height = 60 + len(swept) * (side + 4)
    figure = Figure(820, height + 60 + 2 * (side + 4))
    figure.text(16, 18, "From -2 to +2 standard deviations of one direction, all else held", 17)
    film(figure, swept, 50, side, names=120)
    figure.text(16, height + 6, "A straight line between two states: in the latent, and as a cross-fade", 17)
    film(figure, [("latent", found.lines.latent), ("pixels", found.lines.fade)], height + 36, side, names=120)
    return figure


def linearity_figure(found: Linear) -> Figure:
    figure, name = Figure(1180, 470), f"error at radius {RADIUS_TOLD}"
    error = found.error[RADII.index(RADIUS_TOLD)].mean(-1)
    figure.text(24, 18, "Error of the linear model, on the map", 16)
    places, _ = on_page(View("", found.places, ("", "")), (24, 60, 404, 400))
    figure.dots(places, scale_colours(name, error), 3.5, 230)
    colour_bar(figure, (10, 424, 250, 436), name, error)
    chart(
        figure,
        (430, 18, 790, 440),
        "Error of the linear model, by horizon",
        horizon_series(found),
        "steps ahead; share of the change",
        True,
    )
    chart(
        figure,
        (810, 18, 1170, 440),
        "Does it foretell failures of iLQR?",
        foretold_series(found),
        "error along the plan; up: return",
    )
    return figure
