"""The encoder that sees where things are, frame by frame, and how they have moved: z = (pose, gain · change of pose).

Each channel of the observation is a frame, and one network gives the pose of any of them. Poses of single frames cannot
be entangled with velocities, as the latents of a network that sees both frames at once are: those of a pendulum then
learn a twisted band. As the feature points of Finn et al. 2016 (deep spatial autoencoders), with their finite
differences.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worldmodel.networks import mlp

SURE = -8.0  # before the softplus: the posterior is as narrow as its family allows
FIRST_GAIN = 2.0  # a logarithm: one decision changes a pose little


class PoseEncoder(nn.Module):
    """Independent per step, without memory; posterior of constant width. The latent has ``frames * pose`` dimensions.

    image: ``[..., 1, height, width] -> [..., features]``. frames: 1, the pose alone; or 2, with its change.
    """

    memory = 0
    alone = True

    def __init__(self, image: nn.Module, size: int, features: int, pose: int, frames: int, hidden: int):
        super().__init__()
        if frames not in (1, 2):
            raise ValueError(f"Poses are of one frame, or change between two; {frames} frames came. Give 1 or 2.")
        self.image, self.pose, self.frames = image, pose, frames
        self.empty: Tensor
        self.contrast: Tensor
        self.register_buffer("empty", torch.zeros(size, size))
        self.register_buffer("contrast", torch.ones(()))
        self.head = mlp(features, [hidden], pose)
        self.log_gain = nn.Parameter(torch.full((pose,), FIRST_GAIN)) if frames == 2 else None

    def poses(self, frame: Tensor) -> Tensor:
        """Of single grey frames, ``[..., height, width] -> [..., pose]``."""
        return self.head(self.image(((frame - self.empty) * self.contrast)[..., None, :, :]))

    def features(self, image: Tensor) -> Tensor:
        """Poses of all channels, ``[..., channel, height, width] -> [..., channel * pose]``."""
        return self.poses(image).flatten(-2)

    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        return memory, features

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        return features

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        """Of q(z | frames), ``[..., 2 * frames * pose]``, whatever the dynamics' context says."""
        *before, now = seen.unflatten(-1, (self.frames, self.pose)).unbind(-2)
        mean = now if self.log_gain is None else torch.cat([now, self.log_gain.exp() * (now - before[0])], -1)
        return torch.cat([mean, torch.full_like(mean, SURE)], -1)

    @torch.no_grad()
    def standardize(self, frame: Tensor) -> None:
        """Before training: frames ``[batch, height, width]`` and their poses are shifted and scaled to mean 0, std 1.

        Where a few pixels change the network would else see nearly the same in all frames, and contrasts between
        latents that lie together teach nothing.
        """
        self.empty = frame.mean(0)
        self.contrast = 1 / (frame - self.empty).square().mean().sqrt()
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        scale = self.poses(frame).std(0)
        last.weight.div_(scale[:, None])
        last.bias.div_(scale)
        last.bias.sub_(self.poses(frame).mean(0))
