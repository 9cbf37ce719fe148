"""Section 1 of the page: the latent as a map, with scores that say how far to believe it."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import qmc

from experiments.report.bars import bars
from experiments.report.colours import CIRCLE, SCALE
from experiments.report.show_run import Seen, wrapped
from experiments.report.sprites import sprite_sheet
from experiments.report.widget import widget
from experiments.state_probe import is_angle, variables
from worldmodel.distributions import Normal, kl_per_dimension
from worldmodel.insight.active_units import ActiveUnits, active_units
from worldmodel.insight.disentanglement import mutual_information_gap
from worldmodel.insight.embedding import Method, embed
from worldmodel.insight.latent_map import Projection, continuity, latent_map, trustworthiness
from worldmodel.insight.mlp_probe import mlp_r2
from worldmodel.insight.open_loop import images
from worldmodel.insight.probes import linear_probe
from worldmodel.insight.traversals import state_of
from worldmodel.interface import Belief

MOST_ROWS, GRID, SCORED = 1500, 500, 1000
LOOKS = 6  # frames that the filter sees before a state of the grid is mapped: one frame tells no velocity
GAP_BINS = 10


class Points(NamedTuple):
    """What is on the map, ``[points]`` first: rows of held-out episodes, then the grid (episode -1).

    values ``[points, columns]`` are said by ``names``; seen and decoded ``[points, height, width, channel]`` uint8.
    """

    latents: np.ndarray
    episode: np.ndarray
    row: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    seen: np.ndarray
    decoded: np.ndarray


class View(NamedTuple):
    """A way to lay the points out: places ``[points, dims]``, and what its axes are; none where the map is bent. told:
    by a probe that knows the true state.
    """

    name: str
    places: np.ndarray
    axes: tuple[str, ...]
    told: bool = False


class Scores(NamedTuple):
    """truthful and faithful: (trustworthiness, continuity) from the true state to the latent and from the latent to the
    flat map; None where no true state is known. linear, mlp ``[features]``: R². gap: mutual information gap.
    """

    features: tuple[str, ...]
    linear: np.ndarray
    mlp: np.ndarray
    truthful: tuple[float, float] | None
    faithful: tuple[float, float]
    units: ActiveUnits | None
    gap: float | None


class Mapped(NamedTuple):
    points: Points
    projection: Projection
    views: list[View]
    scores: Scores


def map_latents(seen: Seen, extra: tuple[Method, ...] = (), seed: int = 0) -> Mapped:
    """extra: further layouts, that take packages of their own."""
    points = gather(seen, seed)
    projection = latent_map(seen.latents)
    places = projection(points.latents)
    axes = axis_names(projection, seen.latents.shape[1])
    views = [View("flat", places[:, :2], axes)]
    if seen.latents.shape[1] > 2:
        views.append(View("in depth", places, axes))
    if seen.variables:
        views.append(told(seen, points))
    views += [View({"tsne": "t-SNE", "umap": "UMAP"}[m], embed(points.latents, m, seed), ()) for m in extra]
    return Mapped(points, projection, views, score(seen, projection))


def told(seen: Seen, points: Points) -> View:
    """Along the (up to three) directions that tell the true state best, as a linear probe finds them: a cylinder for an
    angle and its velocity. The probe knows the true state, which the other views do not.
    """
    names = tuple(variables(seen.variables))[:3]
    truth = seen.described[:, : len(names)]
    scale = np.maximum(truth.std(0), 1e-9)
    probe = linear_probe(seen.latents, truth / scale, seen.episode, min(5, len(seen.episodes)))
    places = points.latents @ probe.weight + probe.bias
    if len(names) == 3 and is_angle(seen.variables[0]):  # the circle lies flat, the third stands on it
        names, places = (names[0], names[2], names[1]), places[:, [0, 2, 1]]
    return View("as told: " + ", ".join(names), places, names, told=True)


def axis_names(projection: Projection, width: int) -> tuple[str, str]:
    kind = "latent" if width <= projection.axes.shape[1] else "component"
    first, second = (f"{kind} {i + 1} ({share:.0%} of the variance)" for i, share in enumerate(projection.share[:2]))
    return first, second


def gather(seen: Seen, seed: int) -> Points:
    every = max(1, -(-len(seen.latents) // MOST_ROWS))
    keep = np.flatnonzero(seen.row % every == 0)
    observation = np.concatenate([e.observation for e in seen.episodes])
    reward, time = np.concatenate([e.reward for e in seen.episodes]), seen.row
    values = np.column_stack([wrapped(seen.variables, seen.truth), reward, time, seen.episode])
    names = (*seen.variables, "reward", "step", "episode")
    parts: list[tuple[np.ndarray, ...]] = [
        (seen.latents[keep], seen.episode[keep], seen.row[keep], values[keep], observation[keep])
    ]
    if seen.task:
        parts.append(grid(seen, seed))
    latents, episode, row, values, pictures = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Points(latents, episode, row, names, values, pictures, decode(seen, latents))


@torch.no_grad()
def grid(seen: Seen, seed: int) -> tuple[np.ndarray, ...]:
    """Beliefs about true states that cover the box of visited ones evenly, as `gather` collects them.

    Each state is let go for some steps without action while the filter looks on, and then mapped where it is.
    """
    assert seen.task
    visited = wrapped(seen.variables, seen.truth)
    low, high = visited.min(0), np.maximum(visited.max(0), visited.min(0) + 1e-9)
    state = torch.from_numpy(qmc.scale(qmc.Halton(visited.shape[1], rng=seed).random(GRID), low, high))
    belief: Belief = seen.model.initial(GRID)
    action = belief.state.stoch.new_zeros(GRID, seen.task.action_size)
    for look in range(LOOKS):
        if look:
            state = seen.task.step(state, action.to(state))
        picture = seen.task.draw(state.numpy(), seen.config.size)
        belief = seen.model.filter(belief, action, torch.from_numpy(picture))
    unknown = np.full(GRID, np.nan)
    reward = seen.task.reward(state).numpy()
    values = np.column_stack([wrapped(seen.variables, state.numpy()), reward, unknown, unknown])
    return belief.state.vector.numpy(), np.full(GRID, -1), np.full(GRID, -1), values, picture


@torch.no_grad()
def decode(seen: Seen, latents: np.ndarray) -> np.ndarray:
    parts = torch.from_numpy(latents).split(256)
    return np.concatenate([images(seen.model.decode(state_of(seen.model, part))) for part in parts])


def score(seen: Seen, projection: Projection) -> Scores:
    some = np.linspace(0, len(seen.latents) - 1, min(SCORED, len(seen.latents))).astype(int)
    neighbours = max(1, min(12, len(some) // 4))
    latents = seen.latents[some]
    flat = projection(latents)[:, :2]
    faithful = trustworthiness(latents, flat, neighbours), continuity(latents, flat, neighbours)
    if not seen.variables:
        nothing = np.zeros(0)
        return Scores((), nothing, nothing, None, faithful, units(seen), None)
    truth = seen.described
    scaled = (truth / np.maximum(truth.std(0), 1e-9))[some]
    held_out = min(5, len(seen.episodes))
    return Scores(
        tuple(variables(seen.variables)),
        linear_probe(seen.latents, truth, seen.episode, held_out).r2,
        mlp_r2(seen.latents, truth, seen.episode, held_out),
        (trustworthiness(scaled, latents, neighbours), continuity(scaled, latents, neighbours)),
        faithful,
        units(seen),
        gap(seen),
    )


def units(seen: Seen) -> ActiveUnits | None:
    """None where the latent is not normal."""
    q, p = seen.posterior.posterior, seen.posterior.prior
    if not isinstance(q, Normal) or not isinstance(p, Normal):
        return None
    return active_units(seen.flat(kl_per_dimension(q, p)), seen.flat(q.mean))


def gap(seen: Seen) -> float | None:
    """Of the stochastic dimensions against the raw true state; None with too few rows."""
    if len(seen.latents) < GAP_BINS**2:
        return None
    codes = seen.flat(seen.states.stoch)
    return mutual_information_gap(codes, wrapped(seen.variables, seen.truth), GAP_BINS).mean


def map_html(mapped: Mapped) -> str:
    return widget("latent-map", map_data(mapped)) + scores_html(mapped.scores)


def map_data(mapped: Mapped) -> dict[str, Any]:
    points = mapped.points
    both = np.stack([points.seen, points.decoded], 1).reshape(-1, *points.seen.shape[1:])
    return {
        "views": [view_data(view) for view in mapped.views],
        "colours": [colour_data(name, column) for name, column in zip(points.names, points.values.T, strict=True)],
        "episode": points.episode,
        "row": points.row,
        "paths": [np.flatnonzero(points.episode == i) for i in range(points.episode.max() + 1)],
        "frames": sprite_sheet(both),
    }


def view_data(view: View) -> dict[str, Any]:
    """Places within [-1, 1], one scale for all axes."""
    low, high = view.places.min(0), view.places.max(0)
    half = (high - low) / 2
    scale = max(float(half.max()), 1e-9)
    return {
        "name": view.name,
        "dims": view.places.shape[1],
        "axes": view.axes[:2],
        "half": np.maximum(half / scale, 0.05)[:2],
        "points": (view.places - (low + high) / 2) / scale,
    }


def colour_data(name: str, values: np.ndarray) -> dict[str, Any]:
    """Values in thousandths of the way from low to high; an angle goes round a circle of colours."""
    low, high = limits(name, values)
    share = (values - low) / max(high - low, 1e-9)
    said = [None if not np.isfinite(v) else f"{v:.3g}" if v % 1 else f"{v:.0f}" for v in values.tolist()]
    return {
        "name": name,
        "stops": CIRCLE if is_angle(name) else SCALE,
        "low": "-π" if is_angle(name) else f"{low:.3g}",
        "high": "π" if is_angle(name) else f"{high:.3g}",
        "values": [None if not np.isfinite(s) else round(1000 * s) for s in share.tolist()],
        "said": said,
    }


def limits(name: str, values: np.ndarray) -> tuple[float, float]:
    """Of the colour scale: the whole circle for an angle, else from the least to the most that is known."""
    if is_angle(name):
        return -np.pi, np.pi
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)


def scores_html(scores: Scores) -> str:
    lines = "".join(
        f"<tr><td>{escape(name)}</td><td>{r2(linear)}</td><td>{r2(mlp)}</td></tr>"
        for name, linear, mlp in zip(scores.features, scores.linear, scores.mlp, strict=True)
    )
    table = (
        '<table class="scores"><thead><tr><th>read off the latent, R²</th><th>by a line</th><th>by a small network</th>'
        f"</tr></thead><tbody>{lines}</tbody></table>"
    )
    left = f"<div>{table if scores.features else ''}{neighbours_html(scores)}</div>"
    return f'<div class="multiples">{left}<div>{units_html(scores)}</div></div>'


def r2(value: float) -> str:
    """Far below 0 (a probe that does worse than the mean) says no more than just below."""
    return f"{value:.3f}" if value >= -1 else "below -1" if np.isfinite(value) else "does not vary"


def neighbours_html(scores: Scores) -> str:
    pairs = [("latent → flat map", scores.faithful)]
    if scores.truthful:
        pairs.insert(0, ("true state → latent", scores.truthful))
    lines = "".join(f"<tr><td>{name}</td><td>{t:.3f}</td><td>{c:.3f}</td></tr>" for name, (t, c) in pairs)
    return (
        '<table class="scores"><thead><tr><th>neighbours kept</th><th>trustworthiness</th><th>continuity</th></tr>'
        f"</thead><tbody>{lines}</tbody></table>"
    )


def units_html(scores: Scores) -> str:
    if scores.units is None:
        return '<p class="hint">The latent is not normal: no KL per dimension.</p>'
    kl, active = scores.units.kl, scores.units.active
    order = np.argsort(-kl)
    gap_said = "" if scores.gap is None else f" Mutual information gap {scores.gap:.2f} (1: one dimension per factor)."
    return (
        f'<p class="group">{active.sum()} of {len(kl)} stochastic dimensions are active; {kl.sum():.1f} nats a step'
        f"</p>{bars([(str(i), float(kl[i]), bool(active[i])) for i in order])}"
        f'<p class="hint">KL of each dimension to the prior, from {kl.max():.2g} nats down; hollow ones are '
        f"dead.{gap_said}</p>"
    )
