"""Configurations by name, one per task: `worldmodel train NAME`."""

from __future__ import annotations

from experiments.config import ActorConfig, PlannerConfig, TrainConfig
from experiments.errors import unknown
from worldmodel.build import ModelConfig

PRESETS = {
    "pendulum": TrainConfig(env="pendulum", model=ModelConfig(images="fine")),
    "cartpole": TrainConfig(
        env="cartpole",
        rounds=40,
        final_learning_rate=2e-4,
        model=ModelConfig(  # as of dmc below: a latent that is straight enough to plan in (docs/log.md)
            images="fine", frequency=1.0, image_std=0.35, open_loop_steps=8, open_loop_images=1
        ),
    ),
    "planar": TrainConfig(env="planar", rounds=16, updates=80, model=ModelConfig(images="fine")),
    "dmc": TrainConfig(  # a task of the control suite from 100,000 frames: 10 + 5 · 18 episodes of 1000 control steps
        env="dmc:cartpole-swingup",
        size=64,
        seed_episodes=10,
        rounds=6,
        updates=1800,
        last_updates=4000,  # after 5,000 a ball is known twice as exactly as after 1,500 (docs/log.md)
        episodes=18,
        afresh=True,  # as the shifts: few frames are learned by heart, the first of all most (docs/log.md)
        shift=3,
        action_noise=0.6,
        final_learning_rate=2e-4,
        model=ModelConfig(
            images="fine",
            frequency=1.0,  # as the image's std and the few steps ahead: a latent that is straight enough (docs/log.md)
            image_std=0.7,
            reward_std=0.4,  # a reward is the sum over the action repeat, here up to 8
            open_loop_steps=6,
            open_loop_images=1,
        ),
        collect=PlannerConfig("icem", 16, candidates=48, iterations=3, elites=8, colour=0.25),
        planner=PlannerConfig("icem", 16, candidates=64, iterations=4, elites=8, colour=0.25),
        actor=ActorConfig(starts=256, discount=0.99, follow=0.02),  # for --agent slac
    ),
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
        actor=ActorConfig(hidden=16, horizon=3, starts=4, first_lesson=4, last_lesson=6, lesson=2),
    ),
}


def preset(name: str) -> TrainConfig:
    """Raises UserError, with the nearest name, where there is none."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
