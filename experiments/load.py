"""Load a trained run and act with it, from Python:

import gymnasium
from experiments.load import load_run
agent, env, thought = load_run("runs/demo"), gymnasium.make("worldmodel/pendulum-v0"), None
observation, info = env.reset(seed=1)
for _ in range(100):
    action, thought = agent.act(observation, thought)
    observation, reward, terminated, truncated, info = env.step(action)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments import device, run_folder
from experiments.config import TrainConfig
from experiments.evaluate import named_planner
from experiments.planning import make_planner, policies_for
from experiments.seeds import torch_generator
from planners.interface import Plan, Planner
from planners.objective import LearnedReward
from worldmodel.interface import Belief
from worldmodel.sequence_vae import SequenceVAE


class Thought(NamedTuple):
    """What is carried from one decision to the next; the agent itself remembers nothing.

    belief: about the state. action: ``[batch, action]``, the one decided on. plan: where the next search starts.
    """

    belief: Belief
    action: Tensor
    plan: Plan


@dataclass(frozen=True)
class Agent:
    """A trained model and a planner on it."""

    config: TrainConfig
    model: SequenceVAE
    planner: Planner

    @torch.no_grad()
    def act(self, observation: np.ndarray, thought: Thought | None = None) -> tuple[np.ndarray, Thought]:
        """Look, think, decide. Returns the action, float32 in [-1, 1], and the thought to be given back next time.

        observation: ``[height, width, channel]`` uint8, and the action is ``[action]``; or ``[batch, height, width,
        channel]``, of several environments at once, and the action is ``[batch, action]``. thought: None at the first
        observation of an episode. If another action is executed, say so: ``thought._replace(action=...)``. Raises
        ValueError for images of another size than the model was trained on, TypeError if they are not uint8.
        """
        images = torch.as_tensor(observation if observation.ndim == 4 else observation[None])
        belief, action, plan = thought or self._nothing(len(images))
        belief = self.model.filter(belief, action, images.to(action.device))
        action, plan = self.planner.plan(belief.state, plan)
        decided = action.cpu().numpy().astype(np.float32)
        return decided if observation.ndim == 4 else decided[0], Thought(belief, action, plan)

    def _nothing(self, batch: int) -> tuple[Belief, Tensor, None]:
        belief = self.model.initial(batch)
        return belief, belief.state.stoch.new_zeros(batch, self.model.sizes.action), None


def load_run(run: str | Path, planner: str | None = None, where: str = "auto", seed: int = 0, **settings: Any) -> Agent:
    """The agent of a run folder, from its last checkpoint.

    planner: a name, e.g. ``"ilqr"``; None takes the one the run was configured with. where: a device. seed: of the
    planner's random numbers. settings: of `PlannerConfig`, e.g. ``horizon=20``. Raises UserError, CheckpointError.
    """
    chosen = device.choose(where)
    config, model = run_folder.load_model(Path(run), chosen)
    numbers = replace(named_planner(planner or config.planner.name, config.planner), **settings)
    generator = torch_generator(seed, "act", device=chosen.type)
    policies = policies_for(numbers.name, Path(run), config, model.sizes, chosen)
    return Agent(config, model, make_planner(numbers, model, LearnedReward(model), generator, policies))
