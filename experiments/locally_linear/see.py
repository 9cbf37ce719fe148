"""Poses learned from what pictures show, before the objective: an autoencoder of unit covariance that changes slowly.

Contrast and slowness leave out what moves quickly, such as the last of three links. To paint the picture it is needed.
Once it is told, slowness can give way to foresight, which forbids only those moves that the dynamics do not foresee.
"""

from __future__ import annotations

import torch
from torch import Tensor

from experiments.locally_linear.painter import Painter
from experiments.locally_linear.recipes import Recipe, Seeing
from experiments.locally_linear.transitions import Transitions
from worldmodel.dynamics.locally_linear import LocallyLinear
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.interface import State
from worldmodel.objectives.predictive import distance_to_unit
from worldmodel.sequence_vae import SequenceVAE

ALL_TOGETHER = 1_000  # transitions that scales are taken from


def terms(recipe: Recipe, stage: Seeing, model: SequenceVAE, painter: Painter, data: Transitions) -> dict[str, Tensor]:
    """What is minimised in ``stage``, each a number. Every distinct frame is encoded and painted once."""
    encoder = pose_encoder(model)
    showing, where = torch.unique(data.shown, return_inverse=True)
    frames = (data.frames[showing].float() / 255)[:, None]
    distinct = encoder.poses(frames)
    poses = distinct[where]
    found = {
        "painting": painter(distinct, frames),
        "spread": recipe.model.spread * distance_to_unit(distinct),
        "slowness": stage.slowness * in_order(poses).diff(dim=1).square().sum(-1).mean(),
    }
    if stage.foresight:
        before, after = latents(encoder, poses).unbind(1)
        foreseen = model.dynamics.advance(State(before[..., :0], before), data.action)[1]
        found["foresight"] = stage.foresight * (foreseen - after)[:, : encoder.pose].square().sum(-1).mean()
    return found


@torch.no_grad()
def rescale(model: SequenceVAE, data: Transitions) -> None:
    """After a stage: changes of pose get a mean square of 1, and dynamics a std as wide as a decision moves."""
    encoder, first = pose_encoder(model), data.only(torch.arange(min(ALL_TOGETHER, len(data.action))))
    poses = encoder.poses((first.frames[first.shown].float() / 255)[..., None, :, :])
    if encoder.stack == 2:
        encoder.standardize_change(*in_order(poses)[:, :2].unbind(1))
    assert isinstance(model.dynamics, LocallyLinear)
    before, after = latents(encoder, poses).unbind(1)
    model.dynamics.process_noise.begin_with((after - before).square().mean(0).sqrt())


def latents(encoder: PoseEncoder, poses: Tensor) -> Tensor:
    """Means, ``[count, 2, latent]``, of poses ``[count, 2, channel, pose]``."""
    seen = poses.flatten(-2)
    return encoder.statistics(seen[..., :0], seen).chunk(2, -1)[0]


def in_order(poses: Tensor) -> Tensor:
    """Of transitions ``[count, 2, channel, pose]`` the poses one by one in time, ``[count, channel + 1, pose]``.

    The last frame before a decision is the first after it where observations hold two.
    """
    return torch.cat([poses[:, 0], poses[:, 1, -1:]], dim=1)


def pose_encoder(model: SequenceVAE) -> PoseEncoder:
    assert isinstance(model.encoder, PoseEncoder)
    return model.encoder
