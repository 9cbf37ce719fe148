"""A planner fitted to a budget and timed, once for a run and a machine, and kept as a file in the run's folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from experiments import provenance, run_folder
from experiments.budget import Budget, budgeted, fit_steps
from experiments.cells import FOLDER, Device, weights_digest
from experiments.config import PlannerConfig
from experiments.decision_time import Times, fit_ms, measure, pictures
from experiments.planning import policies_for
from worldmodel.durable import write_whole

FORMAT = "worldmodel fit 1"


class Fit(NamedTuple):
    """config: with all numbers. model_steps: of one decision. times: of one decision, on this machine."""

    config: PlannerConfig
    model_steps: int
    times: Times


def fit(run: Path, planner: PlannerConfig, budget: Budget, device: Device) -> Fit:
    """Read what is stored, or fit and measure (a few to some tens of decisions). Raises TooSmallError.

    Not to be called while other work of this process's makes it wait.
    """
    identity = {
        "format": FORMAT,
        "package": provenance.version("worldmodel-planners"),
        "weights": weights_digest(run, planner.name),
        "planner": asdict(planner),
        "budget": str(budget),
        "device": device,
        "machine": provenance.machine(),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    path = run / FOLDER / f"fit-{planner.name}-{budget}-{digest}.json"
    found = read(path, identity)
    if found is None:
        found = measured(run, planner, budget, device)
        path.parent.mkdir(exist_ok=True)
        content = {"fit": identity, "config": asdict(found.config), "model_steps": found.model_steps}
        write_whole(path, (json.dumps(content | {"times": found.times}, indent=1) + "\n").encode())
    return found


def read(path: Path, identity: dict[str, Any]) -> Fit | None:
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(stored, dict) or stored.get("fit") != identity:
        return None
    return Fit(PlannerConfig(**stored["config"]), stored["model_steps"], Times(*stored["times"]))


def measured(run: Path, planner: PlannerConfig, budget: Budget, device: Device) -> Fit:
    config, model = run_folder.load_model(run, torch.device(device))
    episode = pictures(config.env, config.size)
    policies = policies_for(planner.name, run, config, model.sizes, torch.device(device))
    if budget.kind == "ms":
        fitted, times = fit_ms(planner, model, budget.amount, episode, policies)
        return Fit(fitted, budgeted(fitted, model, policies).model_steps, times)
    fitted = fit_steps(planner, model, int(budget.amount), policies)
    sized = budgeted(fitted, model, policies)
    return Fit(fitted, sized.model_steps, measure(sized, model, episode))
