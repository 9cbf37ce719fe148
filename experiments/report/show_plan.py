"""Section 3 of the page: what planners thought at chosen moments, on the map and decoded, and what then happened."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.config import PlannerConfig
from experiments.planning import make_planner, policies_for
from experiments.report.film_strip import film_strip
from experiments.report.line_chart import Series, line_chart
from experiments.report.show_run import Seen
from experiments.report.widget import widget
from experiments.seeds import torch_generator
from planners.categorical import one_hot
from planners.closed_loop import closed_loop
from planners.ilqr import ILQR
from planners.interface import Plan
from planners.objective import LearnedReward
from planners.sampling import SamplingPlanner, cem
from worldmodel.insight.latent_map import Projection
from worldmodel.insight.linearity import departed
from worldmodel.insight.open_loop import images
from worldmodel.interface import Belief, State

MOMENTS = (0.03, 0.2, 0.5)  # of the episode
SHOWN, SHOWN_ELITES, TUBE, STRIP, BACKGROUND = 60, 10, 48, 8, 700
TUBE_SIGMAS, OUTLINE = 2.0, 20


class Iteration(NamedTuple):
    """Paths on the map, ``[..., horizon + 1, 2]``, the moment's belief first. best: predicted return."""

    candidates: np.ndarray
    elites: np.ndarray
    mean: np.ndarray
    best: float


class Tube(NamedTuple):
    """iLQR's plan on the map, and outlines ``[horizon + 1, points, 2]`` of where the state may be, since the filter is
    not certain where it is now: with the plan's gains, and with its actions alone.
    """

    path: np.ndarray
    closed: np.ndarray
    open: np.ndarray


class Happened(NamedTuple):
    """What exactly the plan's actions led to: pictures, rewards ``[horizon]``, and the beliefs about it on the map."""

    pictures: np.ndarray
    reward: np.ndarray
    path: np.ndarray


class Moment(NamedTuple):
    """predicted: rewards along the plan ``[horizon]``; decoded: its pictures. No tube for discrete actions."""

    name: str
    iterations: list[Iteration]
    tube: Tube | None
    decoded: np.ndarray
    predicted: np.ndarray
    happened: Happened | None


class Plans(NamedTuple):
    planner: str
    moments: list[Moment]
    background: np.ndarray


def think(seen: Seen, projection: Projection, seed: int) -> Plans:
    """Moments of the first episode, which was played without noise."""
    planner = recording(seen, seed)
    moments = [moment(seen, projection, planner, t, seed) for t in moment_rows(seen)]
    background = projection(seen.latents[:: max(1, len(seen.latents) // BACKGROUND)])[:, :2]
    return Plans(planner_name(seen.config.planner), moments, background)


def moment_rows(seen: Seen) -> list[int]:
    rows = seen.episodes[0].rows
    return list(dict.fromkeys(max(1, round(share * (rows - 1))) for share in MOMENTS))


def recording(seen: Seen, seed: int) -> SamplingPlanner:
    """The run's own planner if it samples, else CEM with the run's horizon; it keeps what it tried."""
    generator, objective = torch_generator(seed, "plan"), LearnedReward(seen.model)
    policies = policies_for(seen.config.planner.name, seen.folder, seen.config, seen.model.sizes, torch.device("cpu"))
    planner = make_planner(seen.config.planner, seen.model, objective, generator, policies)
    if not isinstance(planner, SamplingPlanner):
        planner = cem(seen.model, objective, generator, horizon=seen.config.planner.horizon, candidates=200, elites=20)
    return replace(planner, record=True)


def planner_name(config: PlannerConfig) -> str:
    return f"{config.name}, {config.horizon} steps ahead"


@torch.no_grad()
def moment(seen: Seen, projection: Projection, planner: SamplingPlanner, row: int, seed: int) -> Moment:
    state = seen.states.map(lambda x: x[0, row][None])
    _, plan = planner.plan(state)
    iterations = [iteration(seen, projection, state, plan, i) for i in range(len(plan.trace["best"]))]
    iterations[-1] = iterations[-1]._replace(mean=path(projection, state, plan.states)[0])
    return Moment(
        f"step {row}",
        iterations,
        None if seen.model.sizes.discrete else tube(seen, projection, row, state, planner.horizon, seed),
        images(seen.model.decode(plan.states.map(lambda x: x[0]))),
        seen.model.reward(plan.states)[0].numpy(),
        execute(seen, projection, row, plan.actions[0]) if seen.task else None,
    )


def iteration(seen: Seen, projection: Projection, state: State, plan: Plan, number: int) -> Iteration:
    """Candidates are recorded as actions, NaN where a later iteration had fewer: rolled out anew here."""
    candidates = plan.trace["candidates"][number, 0]
    candidates = candidates[candidates.isfinite().flatten(1).all(1)]
    some = candidates[torch.linspace(0, len(candidates) - 1, min(SHOWN, len(candidates))).long()]
    elites = plan.trace["elites"][number, 0]
    mean = elites.mean(0, keepdim=True)
    mean = one_hot(mean) if seen.model.sizes.discrete else mean
    drawn = [paths(seen, projection, state, actions) for actions in (some, elites[:SHOWN_ELITES], mean)]
    return Iteration(drawn[0], drawn[1], drawn[2][0], float(plan.trace["best"][number, 0]))


def paths(seen: Seen, projection: Projection, state: State, actions: Tensor) -> np.ndarray:
    """On the map, ``[candidates, horizon + 1, 2]``."""
    begin = state.map(lambda x: x.expand(len(actions), -1))
    return path(projection, begin, seen.model.rollout(begin, actions))


def path(projection: Projection, begin: State, states: State) -> np.ndarray:
    whole = torch.cat([begin.vector[..., None, :], states.vector], -2)
    return projection(whole.numpy())[..., :2]


def tube(seen: Seen, projection: Projection, row: int, state: State, horizon: int, seed: int) -> Tube:
    """Around the plan from the filter's mean: where it leads from samples of the posterior instead."""
    model = seen.model
    planner = ILQR(model, LearnedReward(model), torch_generator(seed, "ilqr"), horizon=horizon, starts=4)
    _, plan = planner.plan(state)
    assert plan.gains is not None
    begin = samples_at(seen, row, torch_generator(seed, "tube"))
    reference = departed(state, plan.states).vector
    outlines = []
    for gains in (plan.gains, torch.zeros_like(plan.gains)):
        states, _ = closed_loop(model, begin, reference, plan.actions[:, None].expand(-1, TUBE, -1, -1), gains)
        whole = torch.cat([begin.vector[0, :, None], states.vector[0]], 1)
        outlines.append(outline(projection(whole.numpy())[..., :2]))
    return Tube(path(projection, state, plan.states)[0], *outlines)


def samples_at(seen: Seen, row: int, generator: torch.Generator) -> State:
    """Samples ``[1, samples, latent]`` of the posterior at a row of the first episode, given the mean before it."""
    episode = seen.episodes[0]
    belief = belief_at(seen, row - 1)
    many = Belief(belief.state.map(lambda x: x.expand(TUBE, -1)), belief.memory.expand(TUBE, -1))
    action = torch.from_numpy(episode.action[row]).expand(TUBE, -1)
    picture = torch.from_numpy(episode.observation[row]).expand(TUBE, *episode.observation.shape[1:])
    noise = torch.randn(TUBE, seen.model.sizes.stoch, generator=generator)
    return seen.model.filter(many, action, picture, noise).state.map(lambda x: x[None])


def belief_at(seen: Seen, row: int) -> Belief:
    """At a row of the first episode, filtered anew for what the encoder remembers."""
    episode, belief = seen.episodes[0], seen.model.initial(1)
    for t in range(row + 1):
        action = torch.from_numpy(episode.action[t])[None]
        belief = seen.model.filter(belief, action, torch.from_numpy(episode.observation[t])[None])
    return belief


def outline(places: np.ndarray) -> np.ndarray:
    """Ellipses of two standard deviations, ``[samples, horizon, 2] -> [horizon, points, 2]``."""
    angle = np.linspace(0, 2 * np.pi, OUTLINE, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    mean = places.mean(0)
    spread = np.einsum("stk,stl->tkl", places - mean, places - mean) / len(places)
    values, vectors = np.linalg.eigh(spread)
    root = vectors * np.sqrt(values.clip(0))[:, None]
    return mean[:, None] + TUBE_SIGMAS * circle @ root.swapaxes(-1, -2)


def execute(seen: Seen, projection: Projection, row: int, actions: Tensor) -> Happened:
    """Exactly the plan's actions in the true task, from the episode's true state; the filter looks on."""
    assert seen.task
    state = torch.from_numpy(seen.episodes[0].state[row])[None]
    belief = belief_at(seen, row)
    pictures, rewards, latents = [], [], [belief.state.vector]
    for action in actions:
        state = seen.task.step(state, action[None].to(state))
        picture = seen.task.draw(state.numpy(), seen.config.size)
        belief = seen.model.filter(belief, action[None], torch.from_numpy(picture))
        pictures.append(picture[0])
        rewards.append(float(seen.task.reward(state)))
        latents.append(belief.state.vector)
    return Happened(np.stack(pictures), np.array(rewards), projection(torch.cat(latents).numpy())[:, :2])


def plans_html(plans: Plans) -> str:
    parts = "".join(moment_html(one, i) for i, one in enumerate(plans.moments))
    return f'<div class="plans">{widget("plan-map", plan_data(plans))}{parts}</div>'


def plan_data(plans: Plans) -> dict[str, Any]:
    """Everything within [-1, 1], one scale for both axes."""
    low, high = plans.background.min(0), plans.background.max(0)
    half = (high - low) / 2
    scale = max(float(half.max()), 1e-9)

    def put(places: np.ndarray) -> np.ndarray:
        return (places - (low + high) / 2) / scale

    return {
        "background": put(plans.background),
        "half": np.maximum(half / scale, 0.05),
        "moments": [
            {
                "name": one.name,
                "iterations": [
                    {name: put(part) for name, part in zip(i._fields[:3], i[:3], strict=True)}
                    | {"best": f"{i.best:.2f}"}
                    for i in one.iterations
                ],
                "ilqr": {name: put(part) for name, part in one.tube._asdict().items()} if one.tube else None,
                "happened": put(one.happened.path) if one.happened else [],
            }
            for one in plans.moments
        ],
    }


def moment_html(one: Moment, number: int) -> str:
    horizon = len(one.predicted)
    some = np.unique(np.linspace(0, horizon - 1, min(STRIP, horizon)).round().astype(int))
    rows = [("planned", one.decoded[some])]
    series = [Series("predicted", np.arange(1.0, horizon + 1), one.predicted, 1)]
    said = f"The plan promises {one.predicted.sum():.2f}"
    if one.happened:
        rows.append(("happened", one.happened.pictures[some]))
        series.append(Series("paid", np.arange(1.0, horizon + 1), one.happened.reward, 2))
        said += f"; exactly these actions then earned {one.happened.reward.sum():.2f}"
    strip = film_strip(rows, f"{len(some)} pictures up to {horizon} steps ahead")
    chart = line_chart(series, "steps ahead; up: reward", small=True)
    hidden = " hidden" if number else ""
    return f'<div class="moment"{hidden}><p>{escape(said)}.</p>{strip}{chart}</div>'
