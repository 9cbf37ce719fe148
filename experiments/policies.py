"""What a run has learned beside its model, and planners may use: an actor, its critic, an actor that copies a planner.

An agent that was trained with the model lies in the run's checkpoint. One that was learned in the finished model
(`worldmodel imagine`), and one that was distilled from a planner (`worldmodel distil`), lie in folders of their own,
each with the fingerprint of the model that it belongs to; the former counts rather than the checkpoint's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from experiments.config import ActorConfig, TrainConfig
from experiments.errors import UserError
from planners.actor_critic.actor import Actor
from planners.actor_critic.agent import ActorCritic
from planners.actor_critic.soft_agent import SoftActorCritic
from worldmodel import checkpoint
from worldmodel.interface import Sizes, State

IMAGINED, DISTILLED = "imagined", "distilled"  # folders in the run's


@dataclass(frozen=True)
class Policies:
    """None where a run has no such part. discount: per step, that of the critic's values."""

    actor: Actor | None = None
    critic: Callable[[State], Tensor] | None = None
    distilled: Actor | None = None
    discount: float = 1.0


NO_POLICIES = Policies()
Module = TypeVar("Module", bound=nn.Module)


Agent = ActorCritic | SoftActorCritic


def build_agent(config: ActorConfig, sizes: Sizes, kind: str = "actor-critic") -> Agent:
    """Untrained. Raises UserError for soft actor-critic where actions are discrete."""
    hidden = [config.hidden, config.hidden]
    if kind != "slac":
        return ActorCritic(sizes.latent, sizes.action, hidden, discrete=sizes.discrete)
    if sizes.discrete:
        raise UserError("--agent slac is for continuous actions; this environment's are discrete. Take actor-critic.")
    return SoftActorCritic(sizes.latent, sizes.action, hidden, config.orthogonal)


def policies_of(agent: Agent, config: ActorConfig) -> Policies:
    """Planners are given the slow critic, which is steadier."""
    critic = agent.value if isinstance(agent, SoftActorCritic) else agent.slow
    return Policies(agent.actor, critic, discount=config.discount)


def save(run: Path, folder: str, module: nn.Module, config: ActorConfig, kind: str = "actor-critic") -> None:
    """Keep ``module``, an agent of that kind, in the folder ``folder`` of a run, with the fingerprint of its model."""
    content = {"config": asdict(config), "kind": kind, "model": fingerprint(run)}
    checkpoint.save(run / folder, module, {}, content, {}, {}, keep=1)


def load(run: Path, config: TrainConfig, sizes: Sizes, device: torch.device) -> Policies:
    """All that the run has learned, ready to be used. Raises UserError for parts that belong to another model."""
    found = NO_POLICIES
    if (run / IMAGINED).exists():
        numbers, kind = stored_config(run, IMAGINED)
        agent = ready(run / IMAGINED, build_agent(numbers, sizes, kind), device)
        found = policies_of(agent, numbers)
    elif config.agent != "planner":
        agent = ready(run / "checkpoint", build_agent(config.actor, sizes, config.agent), device, "agent")
        found = policies_of(agent, config.actor)
    if (run / DISTILLED).exists():
        numbers, kind = stored_config(run, DISTILLED)
        copied = ready(run / DISTILLED, build_agent(numbers, sizes, kind).actor, device)
        found = Policies(found.actor, found.critic, copied, found.discount)
    return found


def stored_config(run: Path, folder: str) -> tuple[ActorConfig, str]:
    """And the agent's kind. Raises UserError."""
    stored: dict[str, Any] = checkpoint.load_config(run / folder)
    if stored["model"] != fingerprint(run):
        raise UserError(
            f"A policy must have been learned in the run's own model; that in {run / folder} was learned in another, "
            f"or before the run went on. Learn it again (`worldmodel imagine {run}`, `worldmodel distil {run}`) or "
            "delete that folder."
        )
    return ActorConfig(**stored["config"]), stored["kind"]


def ready(folder: Path, module: Module, device: torch.device, name: str = "model") -> Module:
    checkpoint.load_weights(folder, module, name)
    return module.to(device).eval().requires_grad_(False)


def fingerprint(run: Path) -> str:
    """Of the model's weights."""
    return digest(checkpoint.newest(run / "checkpoint") / "model.safetensors")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def policies_digest(run: Path) -> str:
    """Of everything that `load` would read: what a learned planner does depends on it."""
    folders = [run / name for name in (IMAGINED, DISTILLED) if (run / name).exists()]
    files = [checkpoint.newest(folder) / "model.safetensors" for folder in folders]
    own = checkpoint.newest(run / "checkpoint") / "agent.safetensors"
    return "-".join(digest(path) for path in [*files, *([own] if own.exists() else [])])
