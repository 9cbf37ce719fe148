"""Actor, critic, the critic's slow copy and the scale of returns: all that actor-critic learning changes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from planners.actor_critic.actor import Actor
from planners.actor_critic.critic import Critic

LOW, HIGH = 0.05, 0.95  # percentiles between which most returns lie
MEMORY = 0.99  # of their moving average


class ActorCritic(nn.Module):
    """For latents of width ``latent``; hidden: widths of the layers of all perceptrons; the rest as in `Actor`."""

    spread: Tensor

    def __init__(self, latent: int, action: int, hidden: Sequence[int], min_std: float = 0.1, discrete: bool = False):
        super().__init__()
        self.actor = Actor(latent, action, hidden, min_std, discrete)
        self.critic = Critic(latent, hidden)
        self.slow = deepcopy(self.critic).requires_grad_(False)
        self.register_buffer("spread", torch.zeros(()))

    @torch.no_grad()
    def scale(self, returns: Tensor) -> Tensor:
        """What returns are divided by: a moving average of their spread, and never less than one (Hafner 2023, eq. 7).

        So the same entropy bonus explores alike in tasks of large and of small returns, and noise around zero is not
        blown up.
        """
        low, high = torch.quantile(returns, torch.tensor([LOW, HIGH]).to(returns))
        self.spread.lerp_((high - low).to(self.spread), 1 - MEMORY)
        return self.spread.clamp(min=1)
