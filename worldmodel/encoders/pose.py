"""The encoder that sees where things are, frame by frame, and how they have moved: z = (pose, gain · change of pose).

One network gives the pose of any frame. Poses of single frames cannot be entangled with velocities, as the latents of a
network that sees both frames at once are: those of a pendulum then learn a twisted band. As the feature points of Finn
et al. 2016 (deep spatial autoencoders), with their finite differences.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worldmodel.networks import mlp

SURE = -8.0  # before the softplus: the posterior is as narrow as its family allows
FIRST_GAIN = 2.0  # a logarithm: one decision changes a pose little


class PoseEncoder(nn.Module):
    """Independent per step; posterior of constant width. The latent has ``stack * pose`` dimensions.

    image: of one frame, ``[..., *frame] -> [..., features]``. frame: ``(channel, height, width)``. stack: 1, the pose
    alone; or 2, with its change. shown: how many frames an observation holds, in its channels, the last one last;
    where it holds one of two, the memory is the pose of the frame before, and a flag; nothing has moved in the first
    row of an episode.
    """

    alone = True

    def __init__(
        self,
        image: nn.Module,
        frame: tuple[int, int, int],
        features: int,
        pose: int,
        stack: int,
        shown: int,
        hidden: int,
    ):
        super().__init__()
        require_stack(stack, shown)
        self.image, self.pose, self.stack, self.shown = image, pose, stack, shown
        self.memory = 0 if shown == stack else pose + 1
        self.empty: Tensor
        self.contrast: Tensor
        self.register_buffer("empty", torch.zeros(frame))
        self.register_buffer("contrast", torch.ones(()))
        self.head = mlp(features, [hidden], pose)
        self.log_gain = nn.Parameter(torch.full((pose,), FIRST_GAIN)) if stack == 2 else None

    def poses(self, frame: Tensor) -> Tensor:
        """Of single frames, ``[..., channel, height, width] -> [..., pose]``."""
        return self.head(self.image((frame - self.empty) * self.contrast))

    def features(self, image: Tensor) -> Tensor:
        """Poses of all frames shown, ``[..., shown * channel, height, width] -> [..., shown * pose]``."""
        return self.poses(image.unflatten(-3, (self.shown, -1))).flatten(-2)

    def remember(self, memory: Tensor, action: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The poses before and now, ``[batch, stack * pose]``."""
        if not self.memory:
            return memory, features
        before, known = memory[..., :-1], memory[..., -1:]
        seen = torch.cat([torch.where(known > 0, before, features), features], -1)
        return torch.cat([features, torch.ones_like(known)], -1), seen

    def watch(self, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
        if not self.memory:
            return features
        before = torch.cat([features[:, :1], features[:, :-1]], 1)
        return torch.cat([torch.where(is_first[..., None], features, before), features], -1)

    def statistics(self, context: Tensor, seen: Tensor) -> Tensor:
        """Of q(z | frames), ``[..., 2 * stack * pose]``, whatever the dynamics' context says."""
        *before, now = seen.unflatten(-1, (self.stack, self.pose)).unbind(-2)
        mean = now if self.log_gain is None else torch.cat([now, self.log_gain.exp() * (now - before[0])], -1)
        return torch.cat([mean, torch.full_like(mean, SURE)], -1)

    @torch.no_grad()
    def standardize(self, frame: Tensor) -> None:
        """Before training: frames ``[batch, channel, height, width]`` and their poses get mean 0 and std 1.

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

    @torch.no_grad()
    def standardize_change(self, before: Tensor, now: Tensor) -> None:
        """And so that its change gets a mean square of 1: poses ``[..., pose]`` of neighbouring frames.

        Where one decision moves a pose by as much as its std, the first gain makes changes of ten standard deviations;
        the first updates then press the whole latent to nothing, where it stays (docs/log.md).
        """
        assert self.log_gain is not None
        self.log_gain.copy_(-0.5 * (now - before).square().flatten(0, -2).mean(0).log())


def require_stack(stack: int, shown: int) -> None:
    if stack not in (1, 2):
        raise ValueError(f"Poses are of one frame, or change between two; stack={stack} came. Give 1 or 2.")
    if shown > stack:
        raise ValueError(
            f"Observations show {shown} frames, of which stack={stack} leaves one out. Give stack={shown}."
        )
