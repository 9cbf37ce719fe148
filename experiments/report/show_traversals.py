"""Section 4 of the page: directions of the latent as pictures, and straight lines between two states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.report.film_strip import film_strip
from experiments.report.line_chart import Series, line_chart
from experiments.report.show_run import Seen
from worldmodel.insight.active_units import ActiveUnits
from worldmodel.insight.latent_map import Projection
from worldmodel.insight.open_loop import images
from worldmodel.insight.traversals import cross_fade, distance_to_real, latent_line, traverse, vector_directions
from worldmodel.interface import State

DIMENSIONS, COMPONENTS = 6, 3
STEPS, SIGMAS = 9, 2.0
PAIRS, REAL = 60, 1500


class Sweep(NamedTuple):
    """Pictures ``[steps, height, width, channel]`` from -2 to +2 standard deviations of one direction."""

    name: str
    pictures: np.ndarray


class Lines(NamedTuple):
    """Pictures along the latent's straight line between two states and along the cross-fade of their pictures, for one
    pair; and the distance of such pictures to the nearest real one, in the mean over pairs, ``[points]`` each.
    """

    latent: np.ndarray
    fade: np.ndarray
    latent_distance: np.ndarray
    fade_distance: np.ndarray


class Traversed(NamedTuple):
    sweeps: list[Sweep]
    lines: Lines


@torch.no_grad()
def travel(seen: Seen, projection: Projection, units: ActiveUnits | None, seed: int) -> Traversed:
    """From the state in the middle of the first episode."""
    state = seen.states.map(lambda x: x[0, seen.episodes[0].rows // 2])
    alive = liveliest(seen, units)
    along = torch.from_numpy(projection.axes.T[:COMPONENTS]).float()
    directions = torch.cat([vector_directions(seen.model, alive), along])
    names = [f"dim {i}" for i in alive] + [f"component {i + 1}" for i in range(len(along))]
    spread = (torch.from_numpy(seen.latents) @ directions.mT).std(0)
    amounts = torch.linspace(-SIGMAS, SIGMAS, STEPS) * spread[:, None]
    pictures = images(traverse(seen.model, state, directions, amounts).flatten(0, 1))
    swept = pictures.reshape(len(names), STEPS, *pictures.shape[1:])
    return Traversed([Sweep(*pair) for pair in zip(names, swept, strict=True)], straight_lines(seen, seed))


def liveliest(seen: Seen, units: ActiveUnits | None) -> np.ndarray:
    """Numbers of the active stochastic dimensions with the largest KL (variance, where there is none)."""
    if units is None:
        return np.argsort(-seen.flat(seen.states.stoch).var(0))[:DIMENSIONS]
    order = np.argsort(-units.kl)
    return order[units.active[order]][:DIMENSIONS]


def straight_lines(seen: Seen, seed: int) -> Lines:
    """Between random rows of different episodes; the pair that is shown differs most as a picture."""
    rng = np.random.default_rng(seed)
    begin, end = rng.integers(len(seen.latents), size=(2, PAIRS))
    flat = seen.flat(seen.states.deter), seen.flat(seen.states.stoch)
    ends = [State(*(torch.from_numpy(part[rows]) for part in flat)) for rows in (begin, end)]
    decoded = latent_line(seen.model, ends[0], ends[1], STEPS)
    faded = cross_fade(decoded[:, 0], decoded[:, -1], STEPS)
    real = np.concatenate([e.observation for e in seen.episodes])
    real = real[:: max(1, len(real) // REAL)].reshape(-1, decoded[0, 0].numel()).astype(np.float32) / 255
    shown = int((decoded[:, 0] - decoded[:, -1]).square().mean((1, 2, 3)).argmax())
    distances = (distance_to_real(channels_last(line), real).mean(0) for line in (decoded, faded))
    return Lines(images(decoded[shown]), images(faded[shown]), *distances)


def channels_last(pictures: Tensor) -> np.ndarray:
    return pictures.movedim(-3, -1).flatten(-3).numpy()


def traversed_html(found: Traversed) -> str:
    sweeps = film_strip([(sweep.name, sweep.pictures) for sweep in found.sweeps], "from -2 to +2 standard deviations")
    lines = film_strip([("latent", found.lines.latent), ("pixels", found.lines.fade)], "from one state to another")
    share = np.linspace(0, 100, STEPS)
    series = [
        Series("cross-fade of pictures", share, found.lines.fade_distance, 7, dashed=True),
        Series("line in the latent", share, found.lines.latent_distance, 1),
    ]
    chart = line_chart(series, "% of the way; up: rms distance to the nearest real picture", zero=True, small=True)
    return (
        f'<p class="group">From −2 to +2 standard deviations, all else held</p>{sweeps}'
        f'<p class="group">A straight line between two states</p>{lines}<p>{line_sentence(found.lines)}</p>{chart}'
    )


def line_sentence(lines: Lines) -> str:
    middle = STEPS // 2
    latent, fade = lines.latent_distance[middle], lines.fade_distance[middle]
    verdict = "nearer to something real than" if latent < fade else "no nearer to anything real than"
    return (
        f"Half way, the picture decoded from the latent's line is {verdict} the cross-fade: rms distance to the "
        f"nearest held-out picture {latent:.3f} against {fade:.3f}, in the mean over {PAIRS} pairs."
    )
