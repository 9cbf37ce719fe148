"""Section 2 of the page: what the model imagines, how far ahead it can be believed, and whether it knows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.report.line_chart import Series, line_chart
from experiments.report.show_run import Seen
from experiments.report.sprites import sprite_sheet
from experiments.report.widget import widget
from worldmodel.episode import Episode
from worldmodel.insight.calibration import coverage, places, sampled_futures
from worldmodel.insight.horizon import Ahead, Errors, break_even, image_errors, look_ahead, scalar_errors
from worldmodel.insight.mlp_probe import Probe, fit_probe
from worldmodel.insight.open_loop import OpenLoop, images, open_loop
from worldmodel.insight.traversals import state_of
from worldmodel.interface import State

MOST_STEPS, VIDEO_ROWS, SAMPLES, SHOWN_SAMPLES = 30, 80, 32, 3
LEVELS = np.linspace(0.1, 0.9, 9)
HELD_OUT = 5  # every so many episodes: the probe of the true state never saw them


class Quantity(NamedTuple):
    """Squared errors by horizon of one thing, and the unit of their root."""

    name: str
    unit: str
    errors: Errors


class Foresight(NamedTuple):
    """loop: one episode, half filtered; samples ``[samples, imagined rows, height, width, channel]`` uint8.

    covered: for the first, the middle and the last step ahead, how often intervals of `LEVELS` hold the truth; by name.
    """

    loop: OpenLoop
    samples: np.ndarray
    quantities: list[Quantity]
    covered: dict[int, np.ndarray]
    covered_what: str
    seconds_per_step: float | None


def foresee(seen: Seen, seed: int) -> Foresight:
    episode = sorted(seen.episodes, key=movement)[len(seen.episodes) // 2]
    generator = torch.Generator().manual_seed(seed)
    rows = min(VIDEO_ROWS, episode.rows)
    loop = open_loop(seen.model, episode, rows=rows)
    chosen = list(range(HELD_OUT - 1, len(seen.episodes), HELD_OUT)) or list(range(len(seen.episodes)))
    some = [seen.episodes[i] for i in chosen]
    horizon = max(1, min(MOST_STEPS, min(e.rows for e in some) // 2))
    ahead = look_ahead(seen.model, some, seen.states.map(lambda x: x[chosen]), horizon, every=3)
    reader = read_state(seen, chosen) if seen.variables else None
    covered, what = calibrate(seen, some, ahead, reader, generator)
    return Foresight(
        loop,
        sample_pictures(seen, episode, loop, generator),
        measure(seen, some, ahead, reader),
        covered,
        what,
        seen.task.seconds_per_step if seen.task else None,
    )


def movement(episode: Episode) -> float:
    return float(np.square(np.diff(episode.observation.astype(np.float32), axis=0)).mean())


def measure(seen: Seen, episodes: list[Episode], ahead: Ahead, reader: Probe | None) -> list[Quantity]:
    background = np.median(np.concatenate([e.observation for e in seen.episodes])[::7], axis=0)
    whole, moving = image_errors(seen.model, episodes, ahead, background)
    reward = scalar_errors(
        episodes, ahead, [e.reward[:, None] for e in episodes], lambda s: seen.model.reward(s)[..., None]
    )
    found = [
        Quantity("image", "of the pixel range", whole),
        Quantity("moving pixels", "of the pixel range", moving),
        Quantity("reward", "of reward", reward),
    ]
    if reader is not None:
        truth, scale = scaled_truth(seen, episodes)
        state = scalar_errors(episodes, ahead, truth, lambda s: reader(s.vector) / scale)
        found.append(Quantity("true state", "standard deviations", state))
    return found


def scaled_truth(seen: Seen, episodes: list[Episode]) -> tuple[list[np.ndarray], Tensor]:
    """The described true states in units of their standard deviations, and these."""
    scale = np.maximum(seen.described.std(0), 1e-9)
    by_episode = np.split(seen.described, np.cumsum([e.rows for e in seen.episodes])[:-1])
    number = {id(e): i for i, e in enumerate(seen.episodes)}
    return [by_episode[number[id(e)]] / scale for e in episodes], torch.from_numpy(scale).float()


def read_state(seen: Seen, held_out: list[int]) -> Probe:
    """A probe of the described true state, fitted on the other episodes: on filtered states and predicted ones, which
    differ a little.
    """
    others = [i for i in range(len(seen.episodes)) if i not in held_out] or held_out
    fitted = [seen.episodes[i] for i in others]
    steps = max(1, min(MOST_STEPS // 2, min(e.rows for e in fitted) // 2))
    ahead = look_ahead(seen.model, fitted, seen.states.map(lambda x: x[others]), steps, every=5, first=1)
    by_episode = np.split(seen.described, np.cumsum([e.rows for e in seen.episodes])[:-1])
    later = np.stack(
        [by_episode[others[i]][t + 1 : t + 1 + steps] for i, t in zip(ahead.episode, ahead.row, strict=True)]
    )
    filtered = seen.latents[np.isin(seen.episode, others)]
    inputs = torch.cat([torch.from_numpy(filtered), ahead.predicted.vector.flatten(0, 1).float()])
    outputs = np.concatenate([seen.described[np.isin(seen.episode, others)], later.reshape(-1, later.shape[-1])])
    fifth = torch.arange(len(inputs)) % HELD_OUT == 0
    return fit_probe(inputs, torch.from_numpy(outputs).float(), fifth)


def calibrate(
    seen: Seen, episodes: list[Episode], ahead: Ahead, reader: Probe | None, generator: torch.Generator
) -> tuple[dict[int, np.ndarray], str]:
    """Coverage of the sampled futures' intervals: of the true state read by the probe, or else of the reward."""
    steps = np.arange(1, ahead.horizon + 1)
    pairs = list(zip(ahead.episode, ahead.row, strict=True))
    actions = torch.from_numpy(np.stack([episodes[i].action[t + steps] for i, t in pairs]))
    start = ahead.filtered.map(lambda x: x[:, 0])
    futures = sampled_futures(seen.model, start, actions.to(start.stoch), SAMPLES, generator)
    with torch.no_grad():
        if reader is None:
            drawn, truths = seen.model.reward(futures)[..., None].numpy(), [e.reward[:, None] for e in episodes]
        else:
            truths, scale = scaled_truth(seen, episodes)
            drawn = (reader(futures.vector) / scale).numpy()
    truth = np.stack([truths[i][t + steps] for i, t in pairs])
    held = coverage(places(drawn, truth), LEVELS).mean(-1)  # [levels, horizon]
    chosen = dict.fromkeys([1, (1 + ahead.horizon) // 2, ahead.horizon])
    return {k: held[:, k - 1] for k in chosen}, "reward" if reader is None else "true state"


@torch.no_grad()
def sample_pictures(seen: Seen, episode: Episode, loop: OpenLoop, generator: torch.Generator) -> np.ndarray:
    """Sampled futures beside the mean one, from where the filter stops."""
    number = next(i for i, e in enumerate(seen.episodes) if e is episode)
    start: State = seen.states.map(lambda x: x[number, loop.filtered - 1][None])
    actions = torch.from_numpy(episode.action[loop.filtered : len(loop.truth)])[None]
    futures = sampled_futures(seen.model, start, actions.to(start.stoch), SHOWN_SAMPLES, generator)
    vectors = futures.vector[:, 0]
    return np.stack([images(seen.model.decode(state_of(seen.model, future))) for future in vectors])


def sentence(quantity: Quantity, seconds: float | None) -> str:
    """The break-even horizon in words."""
    model, copy = known_mean(quantity.errors.model), known_mean(quantity.errors.copy)
    steps, horizon = break_even(model, copy), len(model)
    time = f" ({steps * seconds:.1f} s)" if seconds and steps else ""
    name = quantity.name.capitalize()
    if not np.isfinite(model[0]):
        return f"{name}: what is imagined is not finite, so it cannot be compared."
    if steps == 0:
        return f"{name}: already the first imagined step is worse than saying that nothing changes."
    if steps == horizon:
        return f"{name}: imagined better than by saying that nothing changes for all {horizon} steps looked at{time}."
    return f"{name}: imagined better than by saying that nothing changes up to {steps} steps ahead{time}, no further."


def foresight_html(found: Foresight) -> str:
    words = "".join(f"<li>{sentence(q, found.seconds_per_step)}</li>" for q in found.quantities)
    charts = "".join(error_chart(quantity) for quantity in found.quantities)
    return (
        f'{widget("open-loop", video_data(found))}<ul class="words">{words}</ul>'
        f'<div class="multiples">{charts}{calibration_chart(found)}</div>'
    )


def video_data(found: Foresight) -> dict[str, Any]:
    loop = found.loop
    seen_part = np.broadcast_to(loop.model[None, : loop.filtered], (SHOWN_SAMPLES, *loop.model[: loop.filtered].shape))
    samples = np.concatenate([seen_part, found.samples], 1)
    panels = np.stack([loop.truth, loop.model, loop.error, *samples], 1)
    return {
        "video": sprite_sheet(panels.reshape(-1, *panels.shape[2:])),
        "panels": ["truth", "model", "error (grey: none)", *(f"sample {i + 1}" for i in range(SHOWN_SAMPLES))],
        "rows": len(loop.truth),
        "filtered": loop.filtered,
        "reward": loop.reward,
        "predicted": loop.predicted_reward,
    }


def error_chart(quantity: Quantity) -> str:
    chart = line_chart(error_series(quantity), f"steps ahead; error: {quantity.unit}, rms", zero=True, small=True)
    return f'<div><p class="group">Error of the {quantity.name}</p>{chart}</div>'


def error_series(quantity: Quantity) -> list[Series]:
    """Root mean squares over starts, with a 95 % interval of the model's."""
    steps = np.arange(1, quantity.errors.model.shape[1] + 1, dtype=float)
    model = np.where(np.isfinite(quantity.errors.model), quantity.errors.model, np.nan)
    mean = known_mean(model)
    spread = np.sqrt(known_mean(np.square(model - mean)) / np.isfinite(model).sum(0).clip(1))
    low, high = np.sqrt((mean - 1.96 * spread).clip(0)), np.sqrt(mean + 1.96 * spread)
    return [
        Series("copy", steps, root(quantity.errors.copy), 7, dashed=True),
        Series("imagined", steps, np.sqrt(mean), 1, low, high),
        Series("filtered", steps, root(quantity.errors.posterior), 2),
    ]


def root(squares: np.ndarray) -> np.ndarray:
    return np.sqrt(known_mean(squares))


def known_mean(values: np.ndarray) -> np.ndarray:
    """Over starts, of those that are known; NaN where none is."""
    known = np.isfinite(values)
    return np.where(known.any(0), np.where(known, values, 0).sum(0) / known.sum(0).clip(1), np.nan)


def calibration_chart(found: Foresight) -> str:
    unit = "nominal interval of sampled futures, %; up: how often it holds the truth, %"
    chart = line_chart(calibration_series(found), unit, zero=True, small=True)
    return f'<div><p class="group">Calibration, {found.covered_what}</p>{chart}</div>'


def calibration_series(found: Foresight) -> list[Series]:
    percent = 100 * LEVELS
    held = zip(found.covered.items(), (0, 1, 3), strict=False)
    return [
        Series("right", percent, percent, 7, dashed=True),
        *(Series(f"{k} ahead", percent, 100 * share, colour) for (k, share), colour in held),
    ]
