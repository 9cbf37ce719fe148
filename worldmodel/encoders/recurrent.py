"""The encoder that filters with a memory of its own: q(z_t | o_1:t, a_1:t-1) by a GRU over frames and actions.

m_t = GRU([f(o_t), a_{t-1}], m_{t-1}),    q(z_t | m_t, f(o_t))    (Krishnan 2017, the filtering half; Ha 2018)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worldmodel.networks import mlp


class RecurrentEncoder(nn.Module):
    """Posterior from a GRU's state, which is the memory, and the frame itself."""

    alone = True

    def __init__(self, image: nn.Module, features: int, statistics: int, action: int, hidden: int):
        super().__init__()
        self.image, self.memory = image, hidden
        self.cell = nn.GRUCell(features + action, hidden)
        self.stats = mlp(hidden + features, [hidden], statistics)

    def features(self, image: Tensor) -> Tensor:
        """What one frame says, ``[..., channel, height, width] -> [..., features]``; all frames of a batch at once."""
        return self.image(image)

    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the GRU: the new memory ``[batch, hidden]``, and ``seen``, the memory beside the frame."""
        memory = self.cell(torch.cat([features, action], -1), memory)
        return memory, torch.cat([memory, features], -1)

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        """``seen`` of whole windows ``[batch, time, ...]``, row by row: the GRU is a small part of an update's time."""
        memory, rows = features.new_zeros(len(features), self.memory), []
        for t in range(features.shape[1]):
            memory = memory * ~is_first[:, t, None]
            memory, seen = self.remember(memory, action[:, t], features[:, t])
            rows.append(seen)
        return torch.stack(rows, 1)

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        """Of q(z | memory, frame), ``[..., statistics]``, whatever the dynamics' context says."""
        return self.stats(seen)
