"""The encoder that sees the model's own past: q(s_t | h_t, o_t), h_t holding z_{t-1} and a_{t-1} (PlaNet, Dreamer)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class StateEncoder(nn.Module):
    """Posterior from the dynamics' context and the frame. It needs no memory beyond the state.

    statistics: width of what the family of the latent takes.
    """

    memory, alone = 0, False

    def __init__(self, image: nn.Module, features: int, context: int, statistics: int, hidden: int):
        super().__init__()
        self.image = image
        self.from_frame = nn.Linear(features, hidden)
        self.from_context = nn.Linear(context, hidden, bias=False)
        self.stats = nn.Linear(hidden, statistics)

    def features(self, image: Tensor) -> Tensor:
        """What one frame says, ``[..., channel, height, width] -> [..., hidden]``; all frames of a batch at once."""
        return self.from_frame(self.image(image))

    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Nothing: the state says it all. What is seen is the frame."""
        return memory, features

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        return features

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        """Of q(s_t | context, frame): ``[..., context]``, ``[..., hidden]`` -> ``[..., statistics]``."""
        return self.stats(functional.elu(seen + self.from_context(context)))
