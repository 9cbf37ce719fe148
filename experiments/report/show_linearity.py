"""Section 5 of the page: where a linear model of the dynamics holds, and whether that foretells iLQR's failures."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from experiments.report.line_chart import Series, line_chart
from experiments.report.show_map import View, colour_data, view_data
from experiments.report.show_run import Seen
from experiments.report.sprites import sprite_sheet
from experiments.report.widget import widget
from experiments.seeds import torch_generator
from planners.ilqr import ILQR
from planners.objective import LearnedReward
from planners.sampling import cem
from worldmodel.insight.latent_map import Projection
from worldmodel.insight.linearity import departed, effective_rank, linearization_error, reach, spectrum
from worldmodel.interface import State

RADII = (0.03, 0.1, 0.3, 1.0)
STATES, STARTS = 120, 40
RESAMPLES = 2000
CHUNK = 20  # states whose Jacobians are held at once: each has horizon · latent² numbers
RADIUS_TOLD = 0.3  # of the change of actions for which the error is said and mapped


class Foretold(NamedTuple):
    """Over start states, ``[starts]`` each: error of the linear model along iLQR's plan; predicted less realised return
    of exactly that plan in the true task (NaN where there is none); and how much more CEM promises on the same model.
    """

    error: np.ndarray
    gap: np.ndarray
    shortfall: np.ndarray


class Linear(NamedTuple):
    """error ``[radii, states, horizon]``; radius of the spectrum, reach and its effective rank ``[states]``; places of
    these states on the map, and their pictures.
    """

    error: np.ndarray
    spectral: np.ndarray
    reach: np.ndarray
    rank: np.ndarray
    places: np.ndarray
    pictures: np.ndarray
    row: np.ndarray
    episode: np.ndarray
    foretold: Foretold


@torch.no_grad()
def linearity(seen: Seen, projection: Projection, seed: int) -> Linear:
    """Along the episodes' own actions, over the horizon that the run's planner looks ahead."""
    horizon = min(seen.config.planner.horizon, max(1, int(np.median([e.rows for e in seen.episodes])) - 2))
    number, row = some_rows(seen, horizon, STATES)
    state = at(seen, number, row)
    actions = actions_from(seen, number, row, horizon)
    directions = inward(actions, torch_generator(seed, "linear"))
    parts = [
        around(seen, State(*begin), acting, along)
        for *begin, acting, along in zip(*(x.split(CHUNK) for x in (*state, actions, directions)), strict=True)
    ]
    error, spectral, singular = (
        torch.cat(part, dim) for part, dim in zip(zip(*parts, strict=True), (1, 0, 0), strict=True)
    )
    return Linear(
        error.numpy(),
        spectral.numpy(),
        (singular[:, 0] / float(np.sqrt(seen.latents.var(0).sum()))).numpy(),
        effective_rank(singular).numpy(),
        projection(state.vector.numpy())[:, :2],
        np.stack([seen.episodes[i].observation[t] for i, t in zip(number, row, strict=True)]),
        row,
        number,
        foretell(seen, horizon, seed),
    )


def around(seen: Seen, state: State, actions: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Errors ``[radii, states, horizon]``, the largest absolute eigenvalue ``[states]`` and the reach of actions."""
    error = linearization_error(seen.model, state, actions, directions, torch.tensor(RADII))
    local = seen.model.linearize(departed(state, seen.model.rollout(state, actions)), actions)
    return error, spectrum(local.A[:, 0]).abs()[:, 0], reach(local)


def some_rows(seen: Seen, horizon: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Episode and row of states spread evenly over all that have ``horizon`` rows after them."""
    pairs = [(i, t) for i, e in enumerate(seen.episodes) for t in range(1, e.rows - horizon)]
    chosen = np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int)
    number, row = np.array(pairs)[np.unique(chosen)].T
    return number, row


def at(seen: Seen, number: np.ndarray, row: np.ndarray) -> State:
    return seen.states.map(lambda x: x[torch.from_numpy(number), torch.from_numpy(row)])


def actions_from(seen: Seen, number: np.ndarray, row: np.ndarray, horizon: int) -> Tensor:
    steps = np.arange(1, horizon + 1)
    return torch.from_numpy(np.stack([seen.episodes[i].action[t + steps] for i, t in zip(number, row, strict=True)]))


def inward(actions: Tensor, generator: torch.Generator) -> Tensor:
    """Random directions of length about 1 per step, turned so that a change of actions keeps within the limits."""
    random = torch.rand(actions.shape, generator=generator) * 2 - 1
    return torch.where(random * actions > 0, -random, random)


@torch.no_grad()
def foretell(seen: Seen, horizon: int, seed: int) -> Foretold:
    """iLQR (as it is by default, begun at actions of zero) and CEM from the same states, each plan for itself."""
    number, row = some_rows(seen, horizon, STARTS)
    groups = np.array_split(np.arange(len(number)), -(-len(number) // CHUNK))
    parts = [foretell_some(seen, number[some], row[some], horizon, seed) for some in groups]
    return Foretold(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def foretell_some(seen: Seen, number: np.ndarray, row: np.ndarray, horizon: int, seed: int) -> Foretold:
    state, objective = at(seen, number, row), LearnedReward(seen.model)
    ilqr = ILQR(seen.model, objective, torch_generator(seed, "ilqr"), horizon=horizon)
    sampled = cem(seen.model, objective, torch_generator(seed, "cem"), horizon=horizon, candidates=200, elites=20)
    plan, other = ilqr.plan(state)[1], sampled.plan(state)[1]
    directions = inward(plan.actions, torch_generator(seed, "along"))
    radius = torch.tensor([RADIUS_TOLD])
    error = linearization_error(seen.model, state, plan.actions, directions, radius)[0].mean(-1)
    realised = realise(seen, number, row, plan.actions)
    return Foretold(error.numpy(), plan.value.numpy() - realised, (other.value - plan.value).numpy())


def realise(seen: Seen, number: np.ndarray, row: np.ndarray, actions: Tensor) -> np.ndarray:
    """What the true task pays for exactly these actions ``[starts, horizon, action]`` from the true states."""
    if not seen.task:
        return np.full(len(number), np.nan)
    state = torch.from_numpy(np.stack([seen.episodes[i].state[t] for i, t in zip(number, row, strict=True)]))
    paid = np.zeros(len(number))
    for action in actions.unbind(1):
        state = seen.task.step(state, action.to(state))
        paid += seen.task.reward(state).numpy()
    return paid


def rank_correlation(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float] | None:
    """Spearman's, with a 95 % bootstrap interval over rows; None where something is unknown or does not vary."""
    if not np.isfinite(a).all() or not np.isfinite(b).all() or min(np.ptp(a), np.ptp(b)) == 0 or len(a) < 5:
        return None
    rows = np.random.default_rng(0).integers(len(a), size=(RESAMPLES, len(a)))
    low, high = np.nanquantile(spearman(a[rows], b[rows]), [0.025, 0.975])
    return float(spearman(a, b)), float(low), float(high)


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rank correlation along the last axis, ``[..., rows] -> [...]``; NaN where one does not vary."""
    x, y = (rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (a, b))
    scale = np.sqrt(np.square(x).sum(-1) * np.square(y).sum(-1))
    return np.where(scale > 0, (x * y).sum(-1) / np.where(scale > 0, scale, 1), np.nan)


def linear_html(found: Linear) -> str:
    return (
        f"{widget('latent-map', linear_data(found))}{words(found)}"
        f'<div class="multiples">{horizon_chart(found)}{foretold_chart(found)}</div>'
    )


def linear_data(found: Linear) -> dict[str, Any]:
    told = found.error[RADII.index(RADIUS_TOLD)].mean(-1)
    columns = {
        f"error of the linear model at radius {RADIUS_TOLD}": told,
        "largest |eigenvalue| of A": found.spectral,
        "reach of actions": found.reach,
        "directions reached": found.rank,
    }
    return {
        "views": [view_data(View("flat", found.places, ("component 1", "component 2")))],
        "colours": [colour_data(name, values) for name, values in columns.items()],
        "episode": found.episode,
        "row": found.row,
        "paths": [],
        "frames": sprite_sheet(found.pictures),
        "single": True,
    }


def words(found: Linear) -> str:
    error = np.nanmedian(found.error.mean(-1), 1)
    said = [
        "Error of the linear model, median over states, as a share of the change it should predict: "
        + ", ".join(f"{e:.0%} at radius {r:g}" for r, e in zip(RADII, error, strict=True))
        + ".",
        f"Deviations grow from step to step (|eigenvalue| > 1) in {np.mean(found.spectral > 1):.0%} of the states; "
        f"actions push the last state in {np.nanmedian(found.rank):.1f} directions that count, median.",
        *foretelling(found),
    ]
    return f'<ul class="words">{"".join(f"<li>{escape(sentence)}</li>" for sentence in said)}</ul>'


def foretelling(found: Linear) -> list[str]:
    """Whether the error of the linear model foretells what iLQR loses to the model's errors, and what to its own."""
    error, gap, shortfall = found.foretold
    return [
        verdict("the gap between iLQR's promise and what is paid", error, gap),
        verdict("how much more CEM finds on the same model", error, shortfall),
    ]


def verdict(what: str, error: np.ndarray, outcome: np.ndarray) -> str:
    found = rank_correlation(error, outcome)
    if found is None:
        why = "here" if np.isfinite(outcome).any() else "where the task's true dynamics are not known"
        return f"Whether the linear model's error along the plan foretells {what} cannot be said {why}."
    rank, low, high = found
    does = "foretells" if low > 0 else "foretells the reverse of" if high < 0 else "does not demonstrably foretell"
    return (
        f"The linear model's error along iLQR's plan {does} {what}: rank correlation {rank:.2f} "
        f"({low:.2f} to {high:.2f}) over {len(error)} start states."
    )


def horizon_chart(found: Linear) -> str:
    chart = line_chart(horizon_series(found), "steps ahead; up: error as a share of the change", zero=True, small=True)
    return f'<div><p class="group">Error of the linear model</p>{chart}</div>'


def horizon_series(found: Linear) -> list[Series]:
    steps = np.arange(1.0, found.error.shape[-1] + 1)
    return [
        Series(f"radius {radius:g}", steps, np.nanmedian(error, 0), colour)
        for radius, error, colour in zip(RADII, found.error, (2, 0, 3, 1), strict=True)
    ]


def foretold_chart(found: Linear) -> str:
    unit = "error of the linear model along iLQR's plan; up: return"
    chart = line_chart(foretold_series(found), unit, small=True)
    return f'<div><p class="group">Does it foretell iLQR’s failures?</p>{chart}</div>'


def foretold_series(found: Linear) -> list[Series]:
    error, gap, shortfall = found.foretold
    return [
        Series("promise − paid", error, gap, 1, dots=True),
        Series("CEM − iLQR, on the model", error, shortfall, 0, dots=True),
    ]
