"""CEM of the package torchrl, through its model-based environment. (Its MPPI needs a value network on top.)"""

from __future__ import annotations

from collections.abc import Callable

import torch
from planning_problem import Problem, Setting
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import Tensor, nn
from torchrl.data import Bounded, Composite, Unbounded
from torchrl.envs.model_based import ModelBasedEnvBase
from torchrl.modules import CEMPlanner, WorldModelWrapper


class LatentEnv(ModelBasedEnvBase):
    """The problem as torchrl wants it; batches of any shape are flattened for the plain functions."""

    def __init__(self, problem: Problem):
        step = TensorDictModule(Flat(problem.transition), in_keys=["latent", "action"], out_keys=["latent"])
        reward = TensorDictModule(Flat(lambda z: problem.reward(z)[:, None]), in_keys=["latent"], out_keys=["reward"])
        super().__init__(WorldModelWrapper(step, reward), batch_size=torch.Size([]))
        self.state_spec = Composite(latent=Unbounded((problem.latent,)))
        self.observation_spec = Composite(latent=Unbounded((problem.latent,)))
        self.action_spec = Bounded(-1.0, 1.0, (problem.action,))
        self.reward_spec = Unbounded((1,))

    def _reset(self, tensordict: TensorDict | None) -> TensorDict:
        raise NotImplementedError("planned from given states only")


class Flat(nn.Module):
    def __init__(self, function: Callable[..., Tensor]):
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*(x.flatten(0, -2) for x in inputs)).unflatten(0, inputs[0].shape[:-1])


def cem(problem: Problem, setting: Setting) -> Callable[[], Tensor]:
    env = LatentEnv(problem)
    planner = CEMPlanner(env, setting.horizon, setting.iterations, setting.candidates, setting.elites)
    start = TensorDict({"latent": problem.start[None], "done": torch.zeros(1, 1, dtype=torch.bool)}, [1])

    @torch.no_grad()
    def decide() -> Tensor:
        return planner(start.clone())["action"][0]

    return decide
