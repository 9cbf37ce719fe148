"""First latents at a scale at which contrasts teach, for the objectives that no decoder holds apart (pc3, predictive).

They learn from how well the prior tells latents from each other. Latents that lie together, within their noise, tell it
nothing. Those that lie far from where a narrow prior expects them are pressed together by the first few updates, which
is the quickest way of being expected, and stay together (docs/log.md). So latents begin with mean 0 and std 1 in the
data at hand, and the prior with half the std of what it gets wrong: it soon gets better, and its std follows slowly.
The published networks begin about as wide (Shu 2020).
"""

from __future__ import annotations

import torch

from worldmodel.dynamics.linear_gaussian import LinearGaussian
from worldmodel.dynamics.locally_linear import LocallyLinear
from worldmodel.encoders.frame import FrameEncoder
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.images import to_model
from worldmodel.objectives.pairs import led_to, normals
from worldmodel.objectives.pc3 import PC3
from worldmodel.objectives.predictive import Predictive
from worldmodel.sequence_vae import Sequences, SequenceVAE

FIRST_WIDTH = 0.5


@torch.no_grad()
def standardize(model: SequenceVAE, batch: Sequences) -> None:
    """Before training, on windows ``[batch, time, ...]``. Models of other objectives and parts are left as they are."""
    if not isinstance(model.objective, PC3 | Predictive):
        return
    pair = led_to(batch.is_first, model.objective.incomplete) & batch.valid
    standardize_encoder(model, batch, pair)
    if isinstance(model.dynamics, LocallyLinear | LinearGaussian):
        posterior, prior = normals(model.observe(batch))
        model.dynamics.process_noise.begin_with(
            FIRST_WIDTH * (posterior.mean - prior.mean)[pair].square().mean(0).sqrt()
        )


def standardize_encoder(model: SequenceVAE, batch: Sequences, pair: torch.Tensor) -> None:
    """pair ``[batch, time]``: rows that end one."""
    encoder, images = model.encoder, to_model(batch.observation, batch.action.dtype)
    if isinstance(encoder, PoseEncoder):
        encoder.standardize(images[batch.valid].unflatten(-3, (encoder.shown, -1)).flatten(0, 1))
    if isinstance(encoder, PoseEncoder | FrameEncoder):
        seen = encoder.watch(encoder.features(images), batch.action, batch.is_first)[pair]
        if isinstance(encoder, FrameEncoder):
            encoder.standardize(seen)
        elif encoder.stack == 2:
            encoder.standardize_change(*seen.chunk(2, -1))
