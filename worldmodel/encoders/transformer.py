"""The encoder that attends to the past: q(z_t | o_1:t, a_1:t-1) by a causal transformer over frames and actions.

One token a row, of the frame and the action that led to it. Each layer attends to the last ``window`` rows of the same
episode, itself included (sliding-window attention: Beltagy 2020), so keys and values of older rows are never needed
again and those of the last ``window - 1`` rows are the memory: filtering one step reads no old frame. Position is a
learned bias for each lag (Shaw 2018; Press 2022), the same wherever the window lies.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldmodel.networks import mlp


class TransformerEncoder(nn.Module):
    """Posterior from the last layer's token. Memory: ``window - 1`` slots, oldest first, each with a flag that it is
    filled, and the row's keys and values of every layer; zeros are an empty memory."""

    alone = True

    def __init__(
        self,
        image: nn.Module,
        features: int,
        statistics: int,
        action: int,
        hidden: int,
        layers: int = 2,
        heads: int = 4,
        window: int = 16,
    ):
        super().__init__()
        require_sizes(hidden, layers, heads, window)
        self.image, self.window, self.slot = image, window, 1 + 2 * layers * hidden
        self.memory = (window - 1) * self.slot
        self.token = nn.Linear(features + action, hidden)
        self.layers = nn.ModuleList(Layer(hidden, heads, window) for _ in range(layers))
        self.stats = mlp(hidden, [hidden], statistics)

    def features(self, image: Tensor) -> Tensor:
        """What one frame says, ``[..., channel, height, width] -> [..., features]``; all frames of a batch at once."""
        return self.image(image)

    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The memory with this row in its newest slot, and what the row says in the light of the others."""
        slots = memory.unflatten(-1, (self.window - 1, self.slot))
        filled, *cached = slots.split([1] + [self.token.out_features] * (2 * len(self.layers)), -1)
        lag = torch.arange(self.window - 1, -1, -1, device=memory.device)[None]
        visible = functional.pad(filled[..., 0] > 0, (0, 1), value=True)[:, None, None]
        x, slot = self.tokens(features, action)[:, None], [torch.ones_like(filled[:, :1])]
        for layer, *past in zip(self.layers, cached[::2], cached[1::2], strict=True):
            x, key, value = layer(x, lag, visible, past)
            slot += [key, value]
        return torch.cat([slots[:, 1:], torch.cat(slot, -1)], 1).flatten(1), x[:, 0]

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        """All rows of windows ``[batch, time, ...]`` in one pass: equal to `remember` row by row."""
        rows, episode = torch.arange(features.shape[1], device=features.device), is_first.cumsum(1)
        lag = rows[:, None] - rows
        visible = (lag >= 0) & (lag < self.window) & (episode[:, :, None] == episode[:, None])
        x = self.tokens(features, action)
        for layer in self.layers:
            x, _, _ = layer(x, lag.clamp(0, self.window - 1), visible[:, None])
        return x

    def tokens(self, features: Tensor, action: Tensor) -> Tensor:
        return self.token(torch.cat([features, action], -1))

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        """Of q(z | past), ``[..., statistics]``, whatever the dynamics' context says."""
        return self.stats(seen)


class Layer(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))`` (norm first: Xiong 2020)."""

    def __init__(self, width: int, heads: int, window: int):
        super().__init__()
        self.heads = heads
        self.norm, self.norm_net = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.lags = nn.Parameter(-torch.arange(window) / 2.0 ** torch.arange(heads)[:, None])
        self.out = nn.Linear(width, width)
        self.net = mlp(width, [2 * width], width)

    def forward(
        self, x: Tensor, lag: Tensor, visible: Tensor, past: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows ``[batch, rows, width]`` attend to the past ones and to themselves: new rows, their keys and values.

        past: keys and values ``[batch, keys - rows, width]`` that come before. lag ``[rows, keys]``: how far back each
        key lies. visible ``[batch, 1, rows, keys]``: whether it may be looked at.
        """
        query, key, value = self.qkv(self.norm(x)).chunk(3, -1)
        keys, values = torch.cat([*past[:1], key], 1), torch.cat([*past[1:], value], 1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, keys, values))
        bias = self.lags[:, lag].masked_fill(~visible, -torch.inf)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(-2))
        return x + self.net(self.norm_net(x)), key, value


def require_sizes(hidden: int, layers: int, heads: int, window: int) -> None:
    if layers < 1 or heads < 1 or window < 2:
        raise ValueError(
            f"A transformer needs at least 1 layer, 1 head and a window of 2 rows; {layers}, {heads} and {window} "
            "came. For one frame alone take the frame encoder."
        )
    if hidden % heads:
        raise ValueError(
            f"The width must be a multiple of the number of heads; hidden={hidden} and heads={heads} came. "
            f"Give hidden={heads * max(1, round(hidden / heads))}, or other heads."
        )
