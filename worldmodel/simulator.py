"""The true dynamics and reward of a task as a `WorldModel`: what planners reach when the model is perfect.

Nothing is inferred here: the state is the true one, read from the environment, not from pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from envs.task import Task
from worldmodel.interface import Belief, Linearization, Sizes, State
from worldmodel.linearize import linearize_by_autodiff


@dataclass(frozen=True)
class Simulator:
    """Physics and reward of a built-in task; ``deter`` is the true state, ``stoch`` has width 0."""

    task: Task
    size: int = 32
    dtype: torch.dtype = torch.float32

    @property
    def sizes(self) -> Sizes:
        return Sizes(
            len(self.task.state_names), 0, self.task.action_size, 0, (self.size, self.size, self.task.channels)
        )

    def initial(self, batch: int) -> Belief:
        nothing = torch.zeros(batch, 0, dtype=self.dtype)
        return Belief(State(torch.zeros(batch, self.sizes.deter, dtype=self.dtype), nothing), nothing)

    def believe(self, true_state: np.ndarray) -> Belief:
        """The belief that knows the true state ``[batch, state]``."""
        belief = self.initial(len(true_state))
        return belief._replace(state=State(torch.tensor(true_state, dtype=self.dtype), belief.state.stoch))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor, noise: Tensor | None = None) -> Belief:
        raise NotImplementedError(
            "The simulator does not read images; its belief is the true state. Use Simulator.believe(info['state'])."
        )

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        return State(self.task.step(state.deter, action), state.stoch)

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        states = []
        true_state = state.deter
        for t in range(actions.shape[-2]):
            true_state = self.task.step(true_state, actions[..., t, :])
            states.append(true_state)
        deter = torch.stack(states, -2)
        return State(deter, deter[..., :0])

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        return linearize_by_autodiff(self.step, states, actions)

    def decode(self, state: State) -> Tensor:
        """The true picture, ``[..., channel, height, width]``; not differentiable."""
        flat = state.deter.reshape(-1, self.sizes.deter).double().cpu().numpy()
        image = torch.from_numpy(self.task.draw(flat, self.size)).to(self.dtype).div(255).movedim(-1, -3)
        return image.reshape(*state.deter.shape[:-1], *image.shape[1:])

    def reward(self, state: State) -> Tensor:
        return self.task.reward(state.deter)

    def continues(self, state: State) -> Tensor:
        return 1 - self.task.terminated(state.deter).to(state.deter.dtype)
