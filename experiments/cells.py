"""One cell of a comparison: one planner with fixed numbers on one run plays the episodes of one seed.

Each finished cell is a JSON file in the run's folder, written whole or not at all; a comparison that was killed, and
any other that asks for the same cell, reads it instead of playing again. What the result depends on is in the file: a
cell of other weights, of another task or of other numbers is never taken for this one.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from experiments import environment, provenance, run_folder
from experiments.config import PlannerConfig
from experiments.imagination_gap import Gap, imagination_gap
from experiments.ladder_models import Played, Rung, rung_model
from experiments.planning import discount_of, has_tail, is_learned, make_planner, policies_for
from experiments.policies import fingerprint, policies_digest
from experiments.seeds import evaluation_seed, torch_generator
from experiments.shards import SHARD
from planners.episode import Run, run_episode
from planners.interface import Plan
from worldmodel.durable import write_whole
from worldmodel.interface import Belief

FOLDER = "compare"  # in the run's
FORMAT = "worldmodel cell 1"

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Cell:
    """planner: with all its numbers, as fitted to a budget.

    rung: which parts of the model are replaced by the truth (`experiments.ladder_models`); ``learned`` for none.
    label, model_steps: for people and to foretell how long it takes; not part of what a cell is.
    """

    run: Path
    planner: PlannerConfig
    seed: int
    episodes: int
    rung: Rung = "learned"
    device: Device = "cpu"
    label: str = field(default="", compare=False)
    model_steps: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Outcome:
    """One value per episode, in the order of their start states.

    predicted, realised: see `imagination_gap`; None where no decision of the episode could be judged.
    probe: R² of what the rung was told by probes, see `rung_model`. seconds: that the cell took. commit: of the code.
    """

    returns: tuple[float, ...]
    predicted: tuple[float | None, ...]
    realised: tuple[float | None, ...]
    probe: dict[str, float]
    seconds: float
    commit: str | None


def identity(cell: Cell) -> dict[str, Any]:
    """Everything that decides what is played."""
    config = run_folder.read_config(cell.run)
    return {
        "format": FORMAT,
        "package": provenance.version("worldmodel-planners"),
        "weights": weights_digest(cell.run, cell.planner.name),
        "task": environment.identity(config.env),
        "size": config.size,
        "planner": asdict(cell.planner),
        "seed": cell.seed,
        "episodes": cell.episodes,
        "rung": cell.rung,
        "device": cell.device,
    }


def weights_digest(run: Path, planner: str) -> str:
    """Of the model, and of what was learned beside it where the planner needs that."""
    return fingerprint(run) + (f"-{policies_digest(run)}" if is_learned(planner) else "")


def path_of(cell: Cell) -> Path:
    """E.g. ``RUN/compare/cem-seed0-20-1f2e3d4c5b6a.json``."""
    digest = hashlib.sha256(json.dumps(identity(cell), sort_keys=True).encode()).hexdigest()[:12]
    rung = "" if cell.rung == "learned" else f"-{cell.rung}"
    return cell.run / FOLDER / f"{cell.planner.name}{rung}-seed{cell.seed}-{cell.episodes}-{digest}.json"


def read(cell: Cell) -> Outcome | None:
    """What was stored for exactly this cell; None where it is still to be played."""
    try:
        stored = json.loads(path_of(cell).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(stored, dict) or stored.get("cell") != identity(cell):
        return None
    found = stored["outcome"]
    lists = {name: tuple(found[name]) for name in ("returns", "predicted", "realised")}
    return Outcome(**found | lists)


def write(cell: Cell, outcome: Outcome) -> None:
    path = path_of(cell)
    path.parent.mkdir(exist_ok=True)
    content = {"cell": identity(cell), "label": cell.label, "outcome": asdict(outcome)}
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def play(cell: Cell) -> Outcome:
    """Play the cell and store it. Start states and random numbers are those of `worldmodel evaluate`."""
    started = time.monotonic()
    played = rung_model(cell.run, cell.rung, cell.device)
    firsts = range(0, cell.episodes, SHARD)
    shards = [play_shard(cell, played, first, min(SHARD, cell.episodes - first)) for first in firsts]
    runs, gaps = zip(*[pair for shard in shards for pair in shard], strict=True)
    outcome = Outcome(
        returns=tuple(float(run.episode.reward.sum()) for run in runs),
        predicted=tuple(number(gap.predicted) for gap in gaps),
        realised=tuple(number(gap.realised) for gap in gaps),
        probe=played.probe,
        seconds=time.monotonic() - started,
        commit=provenance.commit(),
    )
    write(cell, outcome)
    return outcome


class Thought(NamedTuple):
    """Of episodes side by side. horizons ``[decisions]``: how far each plan looked ahead. tails ``[episodes,
    decisions]``: what the critic says of each filtered belief, for a planner whose plans end with its value.
    """

    horizons: np.ndarray
    tails: np.ndarray | None
    discount: float


def play_shard(cell: Cell, played: Played, first: int, count: int) -> list[tuple[Run, Gap]]:
    """Episodes ``first`` to ``first + count``, side by side."""
    config = run_folder.read_config(cell.run)
    device = played.model.initial(1).state.stoch.device.type
    generator = torch_generator(cell.seed, "evaluate", first, device=device)
    sizes, where = played.model.sizes, torch.device(device)
    policies = policies_for(cell.planner.name, cell.run, config, sizes, where)
    planner = make_planner(cell.planner, played.model, played.objective, generator, policies)
    critic = policies.critic if has_tail(cell.planner.name) else None
    horizons, tails = list[int](), list[np.ndarray]()

    def note(decision: int, belief: Belief, plan: Plan) -> None:
        horizons.append(plan.actions.shape[1])
        if critic:
            tails.append(critic(belief.state).detach().cpu().numpy())

    env = environment.make(config.env, count, config.size)
    runs = run_episode(played.model, planner, env, evaluation_seed(cell.seed) + first, progress=note)
    thought = Thought(np.array(horizons), np.stack(tails, 1) if tails else None, discount_of(cell.planner, policies))
    return [(run, gap_of(run, thought, i)) for i, run in enumerate(runs)]


def gap_of(run: Run, thought: Thought, number: int) -> Gap:
    ended, decisions = bool(run.episode.terminated[-1]), len(run.value)
    tail = None if thought.tails is None else thought.tails[number, :decisions]
    horizons = thought.horizons[:decisions]
    return imagination_gap(run.value, horizons, run.episode.reward, ended, thought.discount, tail)


def number(x: float) -> float | None:
    """JSON has no NaN."""
    return x if math.isfinite(x) else None
