"""One cell of the pixel-control benchmark: one task, one seed, so many frames; trained, then evaluated.

A cell has a run folder, which a stopped benchmark goes on from, and at its end a JSON file, after which it is not
played again. What the result depends on is in the file name: a cell of other settings is another file.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from experiments import environment, metrics, provenance, run_folder
from experiments.config import PlannerConfig, TrainConfig, to_json
from experiments.device import choose
from experiments.errors import UserError
from experiments.evaluate import evaluate
from experiments.planner_choice import choose as choose_planner
from experiments.planning import has_tail, is_learned
from experiments.presets import PRESETS
from experiments.start import start
from experiments.train import train
from worldmodel.durable import write_whole

EPISODE_FRAMES = 1000  # control steps of an episode in every task of the suite
RANDOM_SHARE, MOST_RANDOM_EPISODES = 10, 10  # a tenth of the episodes is random, ten at the most
PLANNER = "icem+policy+value"  # unless another is asked for
REWARD_STD = 0.05  # per frame of the action repeat


@dataclass(frozen=True)
class Domain:
    """What a domain of the suite has of its own; see docs/pixel-control.md.

    colour: of iCEM's noise (Pinneri 2020, table S4). horizon: of iCEM that a value follows. paid, explore:
    `TrainConfig`'s. own_units: whether pixels are in units of their own deviation, with a deviation of 0.35 of these.
    dropout, orthogonal: `ActorConfig`'s. Dropout helped actors on cup, and harmed on cartpole and finger; orthogonal
    weights helped on finger's true state and harmed in cartpole's models (docs/log.md).
    """

    colour: float = 2.5
    horizon: int = 8
    paid: float = 0.0
    explore: float = 0.0
    own_units: bool = False
    dropout: float = 0.0
    orthogonal: bool = True


DOMAINS = {
    "cartpole": Domain(colour=0.25, orthogonal=False),
    "cheetah": Domain(colour=0.25),
    "finger": Domain(paid=0.5),  # random actions are seldom paid
    "ball_in_cup": Domain(  # false hopes, and the ball is small
        horizon=4, paid=0.5, explore=0.3, own_units=True, dropout=0.1
    ),
}


@dataclass(frozen=True)
class Cell:
    """task: of the suite, with options as in `envs.named`. frames: control steps seen in training, random ones too.

    planner: as `experiments.planner_choice` reads it; None for the preset's iCEM with what an actor proposes and a
    critic's value. updates, last_updates: `TrainConfig`'s; None for the preset's.
    """

    out: Path
    task: str
    seed: int
    frames: int
    planner: str | None = None
    updates: int | None = None
    last_updates: int | None = None
    episodes: int = 10

    @property
    def config(self) -> TrainConfig:
        """The preset ``dmc``, for this task and so many frames, in as many rounds. Raises UserError."""
        base, name = PRESETS["dmc"], environment.resolve(f"dmc:{self.task}")
        domain = DOMAINS.get(name.removeprefix("dmc:").partition("-")[0], Domain())
        repeat = int(named_option(name, "repeat"))
        model = replace(base.model, reward_std=REWARD_STD * repeat)
        if domain.own_units:
            model = replace(model, likelihood="own-units", image_std=0.35)
        seed_episodes, rounds, episodes = schedule(self.frames, base.rounds)
        asked = (self.planner or PLANNER).partition(":")[0]
        horizon = domain.horizon if has_tail(asked) else base.planner.horizon  # nothing follows: look further
        collect, planner = (
            replace(one, name=PLANNER, horizon=horizon, colour=domain.colour) for one in (base.collect, base.planner)
        )
        if self.planner:
            collect = planner = choose_planner(self.planner, planner)
        learned = is_learned(planner.name)
        return replace(
            base,
            env=name,
            seed=self.seed,
            seed_episodes=seed_episodes,
            rounds=rounds,
            episodes=episodes,
            updates=base.updates if self.updates is None else self.updates,
            last_updates=base.last_updates if self.last_updates is None else self.last_updates,
            paid=domain.paid,
            explore=domain.explore,
            model=model,
            agent="slac" if learned else "planner",
            actor=replace(
                base.actor,
                dropout=domain.dropout,
                orthogonal=domain.orthogonal,
                lesson=max(base.actor.lesson, EPISODE_FRAMES // repeat),  # an update a decision, where they are many
                turn=(2 if episodes % 2 == 0 else 1) if learned else 0,
            ),
            collect=collect,
            planner=planner,
        )

    @property
    def name(self) -> str:
        """E.g. ``cartpole-swingup-seed0-1f2e3d4c``."""
        settings = {"config": to_json(self.config), "episodes": self.episodes}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.config.env.removeprefix('dmc:').partition(',')[0]}-seed{self.seed}-{digest}"

    @property
    def file(self) -> Path:
        return self.out / f"{self.name}.json"


def named_option(name: str, option: str) -> str:
    return next(part.partition("=")[2] for part in name.split(",") if part.startswith(f"{option}="))


def schedule(frames: int, most: int) -> tuple[int, int, int]:
    """Random episodes, rounds, and episodes of each round but the first, which collects none; that makes ``frames``.

    most: rounds. What does not divide by them is random.
    """
    whole = frames // EPISODE_FRAMES
    if whole < 2:
        raise UserError(f"--frames must be at least {2 * EPISODE_FRAMES}, two episodes; {frames} came.")
    wanted = whole - max(1, min(MOST_RANDOM_EPISODES, whole // RANDOM_SHARE))
    collecting = min(most - 1, wanted)
    episodes = wanted // collecting
    return whole - collecting * episodes, 1 + collecting, episodes


def read(cell: Cell) -> dict[str, Any] | None:
    """What was stored for exactly this cell; None where it is still to be played."""
    try:
        return json.loads(cell.file.read_bytes())
    except (OSError, ValueError):
        return None


def play(cell: Cell) -> dict[str, Any]:
    """Train, from the last checkpoint on if there is one, evaluate without noise, and store. Raises UserError."""
    config, folder = cell.config, cell.out / cell.name
    if not (folder / "config.json").exists():
        run_folder.create(folder, config)
    with run_folder.alone(folder):
        return read(cell) or play_alone(cell, config, folder)


def play_alone(cell: Cell, config: TrainConfig, folder: Path) -> dict[str, Any]:
    started, torch_device = time.process_time(), choose(config.device)
    torch.set_num_threads(config.threads)
    spent = folder / "cpu_seconds.json"
    before = json.loads(spent.read_bytes()) if spent.exists() else 0.0
    try:
        training = start(config, folder, torch_device)
        train(training, Told(cell), workers=0)
    finally:  # an interrupted training has cost something too
        if folder.exists():
            write_whole(spent, json.dumps(before + time.process_time() - started).encode())
    found = evaluate(folder, config.planner, cell.episodes, where=config.device)
    alone = None
    if config.agent != "planner":
        alone = evaluate(folder, choose_planner("actor", config.planner), cell.episodes, where=config.device)
    result = {
        "task": cell.task,
        "env": config.env,
        "seed": cell.seed,
        "frames": (config.seed_episodes + (config.rounds - 1) * config.episodes) * EPISODE_FRAMES,
        "updates": training.updates,
        "return_mean": found.return_mean,
        "return_low": found.return_low,
        "return_high": found.return_high,
        "returns": found.returns,
        "actor": alone
        and {name: getattr(alone, name) for name in ("return_mean", "return_low", "return_high", "returns")},
        "curve": curve(folder, config),
        "training_seconds": training.seconds,
        "training_cpu_seconds": json.loads(spent.read_bytes()),
        "cpu_seconds": before + time.process_time() - started,
        "decision_ms": found.decision_ms,
        "planner": planner_of(config.planner),
        "config": to_json(config),
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    write_whole(cell.file, (json.dumps(result, indent=1) + "\n").encode())
    return result


def planner_of(config: PlannerConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if value is not None}


def curve(folder: Path, config: TrainConfig) -> list[tuple[int, float]]:
    """Frames so far, and mean return of the episodes of a round, exploration noise included."""
    lines = [line for line in metrics.read(folder / "metrics.jsonl") if "returns" in line]
    return [(line["episodes"] * EPISODE_FRAMES, sum(line["returns"]) / len(line["returns"])) for line in lines]


class Told:
    """Implements `experiments.training.Progress`: a line per round."""

    def __init__(self, cell: Cell) -> None:
        self._name = f"{cell.task} seed {cell.seed}"

    def updated(self, updates: int, losses: dict[str, float]) -> None:
        """Nothing is said."""

    def collected(self, episodes: int, returns: list[float]) -> None:
        mean = sum(returns) / len(returns)
        print(f"{self._name}: {episodes * EPISODE_FRAMES:,} frames, return {mean:.0f} with noise", flush=True)

    def taught(self, done: int, total: int, numbers: dict[str, float]) -> None:
        """Nothing is said."""

    def tested(self, losses: dict[str, float]) -> None:
        """Nothing is held out."""
