"""What knows where little is known, learned beside the model for those episodes of a round that are to explore."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.config import TrainConfig
from experiments.seeds import torch_generator
from planners.curious import Curious
from planners.interface import Objective
from worldmodel.disagreement import Ensemble
from worldmodel.interface import Sizes, State
from worldmodel.replay import Batch

LEARNING_RATE = 1e-3


@dataclass
class Explorer:
    """An ensemble in training. The model it leaves alone."""

    module: Ensemble
    optimizer: torch.optim.Optimizer

    def learn(self, batch: Batch, states: State) -> dict[str, Tensor]:
        """One update on windows ``[batch, time, ...]`` with their filtered states; numbers for the log."""
        loss = self.module.loss(states, batch.action, batch.valid & ~batch.is_first)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {"ensemble_error": loss.detach(), "disagreement": self.module.usual.clone()}


def make_explorer(config: TrainConfig, sizes: Sizes, device: torch.device) -> Explorer | None:
    """As it is before the first update; None where nothing is to be explored."""
    if not config.explore:
        return None
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(int(torch_generator(config.seed, "ensemble").initial_seed()))
        module = Ensemble(sizes).to(device)
    return Explorer(module, torch.optim.Adam(module.parameters(), lr=LEARNING_RATE))


def exploring(
    config: TrainConfig, objective: Objective, ensemble: Ensemble, round_number: int, episodes: slice
) -> Curious:
    """What those ``episodes`` of a round maximise: its first, which has no noise either, the rewards alone, its last
    most of all surprises. Their weight falls to nothing over the run.
    """
    most = config.explore * (1 - round_number / config.rounds)
    return Curious(objective, ensemble.surprise, torch.linspace(0, most, config.episodes)[episodes])
