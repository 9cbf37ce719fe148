"""Configurations by name, one per task: `worldmodel train NAME`."""

from __future__ import annotations

from experiments.config import ActorConfig, PlannerConfig, TrainConfig
from experiments.errors import unknown
from worldmodel.build import ModelConfig

PRESETS = {
    "pendulum": TrainConfig(env="pendulum"),
    "cartpole": TrainConfig(env="cartpole"),
    "planar": TrainConfig(env="planar"),
    "tiny": TrainConfig(  # learns nothing; shows in seconds that everything runs
        env="pendulum",
        seed_episodes=2,
        rounds=4,
        updates=4,
        episodes=2,
        batch=4,
        length=8,
        model=ModelConfig(deter=16, stoch=4, hidden=16, width=8, open_loop_steps=3, open_loop_images=2),
        collect=PlannerConfig("cem", 3, candidates=8, iterations=2, elites=2),
        planner=PlannerConfig("cem", 5, candidates=8, iterations=2, elites=2),
        actor=ActorConfig(hidden=16, horizon=3, starts=4),
    ),
}


def preset(name: str) -> TrainConfig:
    """Raises UserError, with the nearest name, where there is none."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
