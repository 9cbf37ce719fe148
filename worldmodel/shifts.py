"""Pictures shifted at random, so that the encoder cannot know those of few episodes by heart.

What it knows by heart, it knows of what comes next too: velocities and rewards that no picture shows are read off the
training pictures, and off no others (docs/log.md). Kostrikov 2021 (DrQ), section 3.1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def shifted(images: Tensor, most: int, generator: np.random.Generator) -> Tensor:
    """``[batch, time, height, width, channel]``, by -most to most pixels each way; the pixels at the edge are repeated.

    All pictures of a window are shifted alike: what moves between them moves still, and by as much.
    """
    batch, _, height, width, _ = images.shape
    down, right = generator.integers(-most, most, (2, batch), endpoint=True)
    found = torch.empty_like(images)
    for window in range(batch):
        rows = (torch.arange(height, device=images.device) - int(down[window])).clamp(0, height - 1)
        columns = (torch.arange(width, device=images.device) - int(right[window])).clamp(0, width - 1)
        found[window] = images[window].index_select(1, rows).index_select(2, columns)
    return found
