"""From a configuration to a `SequenceVAE`: where the choice of parts is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from worldmodel.distributions import NormalLatent
from worldmodel.dynamics.rssm import RSSM
from worldmodel.encoders.state import StateEncoder
from worldmodel.heads import Heads
from worldmodel.images import ConvDecoder, ConvEncoder, PatchDecoder, PatchEncoder
from worldmodel.sequence_vae import LossScales, SequenceVAE


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the parts and scales of the losses."""

    deter: int = 128
    """Width of the deterministic state (the GRU)."""
    stoch: int = 16
    """Width of the stochastic state."""
    hidden: int = 128
    """Width of the hidden layers."""
    images: Literal["patch", "conv"] = "patch"
    """Image networks: patch embeddings (fast on CPUs) or the classic strided convolutions."""
    patch: int = 8
    """Side of one patch in pixels (patch networks only)."""
    width: int = 64
    """Features per patch, or channels of the first convolution."""
    image_std: float = 0.1
    """Standard deviation of the pixel likelihood, pixels in [0, 1]."""
    reward_std: float = 0.1
    """Standard deviation of the reward likelihood."""
    free_nats: float = 1.0
    """KL per step below which the KL is not penalised."""
    balance: float = 0.8
    """Share of the KL gradient that trains the prior towards the posterior."""
    open_loop: float = 1.0
    """Weight of the open-loop likelihoods: images and rewards predicted by rolling the prior; 0 for the plain ELBO."""
    open_loop_steps: int = 16
    """How many steps they look ahead."""
    open_loop_images: int = 4
    """Every how many rows an image is decoded for them."""


def build(config: ModelConfig, observation: tuple[int, int, int], action: int) -> SequenceVAE:
    """The model for images ``observation = (height, width, channel)`` and ``action`` action dimensions."""
    size = require_square(observation)
    channels, latent = observation[2], config.deter + config.stoch
    encoder, decoder = image_networks(config, size, channels, latent)
    family = NormalLatent(config.stoch)
    return SequenceVAE(
        StateEncoder(encoder, config.hidden, config.deter, family.statistics, config.hidden),
        RSSM(config.deter, config.stoch, action, config.hidden),
        decoder,
        Heads(latent, config.hidden),
        observation,
        LossScales(**{name: getattr(config, name) for name in LossScales._fields}),
    )


def image_networks(config: ModelConfig, size: int, channels: int, latent: int) -> tuple[nn.Module, nn.Module]:
    if config.images == "conv":
        return (
            ConvEncoder(size, channels, config.hidden, config.width),
            ConvDecoder(latent, size, channels, config.width),
        )
    return (
        PatchEncoder(size, channels, config.hidden, config.patch, config.width),
        PatchDecoder(latent, size, channels, config.hidden, config.patch, config.width),
    )


def require_square(observation: tuple[int, int, int]) -> int:
    height, width, _ = observation
    if height != width:
        raise ValueError(
            f"Images must be square; got height {height} and width {width}. "
            "Resize or pad them in the environment, e.g. with its size= argument."
        )
    return height
