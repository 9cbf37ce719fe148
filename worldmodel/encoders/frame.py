"""The encoder that sees one frame or the last few, and nothing else: q(z_t | o_{t-n+1}, ..., o_t) (E2C, SOLAR).

Independent per step. With one frame of a task whose velocities cannot be seen it must fail; a stack of two tells them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.networks import mlp

NARROW = -4.0  # softplus of it is 0.02


class FrameEncoder(nn.Module):
    """Posterior from a stack of frames. The memory holds the features of the last ``stack - 1``, zeros for none."""

    alone = True

    def __init__(self, image: nn.Module, features: int, statistics: int, hidden: int, stack: int = 1):
        super().__init__()
        require_stack(stack)
        self.image, self.stack, self.memory = image, stack, (stack - 1) * features
        self.stats = mlp(stack * features, [hidden], statistics)

    def features(self, image: Tensor) -> Tensor:
        """What one frame says, ``[..., channel, height, width] -> [..., features]``; all frames of a batch at once."""
        return self.image(image)

    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The memory with this frame in it, and the stack, newest first, ``[batch, stack * features]``."""
        seen = torch.cat([features, memory], -1)
        return seen[..., : self.memory], seen

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        """The stacks of whole windows, ``[batch, time, features] -> [batch, time, stack * features]``."""
        episode = is_first.cumsum(1)
        stack = [features]
        for lag in range(1, self.stack):
            same = later(episode + 1, lag) == episode + 1  # zeros come in where there is no such row
            stack.append(later(features, lag) * same[..., None])
        return torch.cat(stack, -1)

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        """Of q(z | stack), ``[..., statistics]``, whatever the dynamics' context says."""
        return self.stats(seen)

    @torch.no_grad()
    def standardize(self, seen: Tensor) -> None:
        """Before training, for normals: their means get mean 0 and std 1 over ``seen [rows, stack * features]``, and
        their stds begin small.
        """
        last = self.stats[-1]
        assert isinstance(last, nn.Linear)
        mean, raw_std = (slice(half * last.out_features // 2, (half + 1) * last.out_features // 2) for half in (0, 1))
        scale = self.stats(seen)[:, mean].std(0)
        last.weight[mean].div_(scale[:, None])
        last.bias[mean].div_(scale)
        last.bias[mean].sub_(self.stats(seen)[:, mean].mean(0))
        last.weight[raw_std].zero_()
        last.bias[raw_std].fill_(NARROW)


def later(x: Tensor, lag: int) -> Tensor:
    """Row t holds what was in row ``t - lag`` of ``[batch, time, ...]``, zeros before the first."""
    moved = functional.pad(x, (0,) * (2 * (x.dim() - 2)) + (lag, 0))
    return moved[:, : x.shape[1]]


def require_stack(stack: int) -> None:
    if stack < 1:
        raise ValueError(f"A stack holds at least one frame; stack={stack} came. Give 1 for the last frame alone.")
