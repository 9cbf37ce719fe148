"""From a configuration to a `SequenceVAE`: where the choice of parts is made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from torch import nn

from worldmodel.distributions import CategoricalLatent, Family, NormalLatent, PointLatent
from worldmodel.dynamics.linear_gaussian import LinearGaussian
from worldmodel.dynamics.locally_linear import LocallyLinear
from worldmodel.dynamics.rssm import RSSM
from worldmodel.dynamics.ssm import SSM
from worldmodel.dynamics.two_level import TwoLevelSSM
from worldmodel.encoders.frame import FrameEncoder
from worldmodel.encoders.pose import PoseEncoder, require_stack
from worldmodel.encoders.recurrent import RecurrentEncoder
from worldmodel.encoders.state import StateEncoder
from worldmodel.encoders.transformer import TransformerEncoder
from worldmodel.fine_images import FineDecoder, FineEncoder
from worldmodel.heads import Heads
from worldmodel.images import CoarseEncoder, ConvDecoder, ConvEncoder, PatchDecoder, PatchEncoder
from worldmodel.kernels.rssm_rollout import MIN_STD
from worldmodel.likelihoods import Bernoulli, Gaussian, Likelihood, OwnUnits
from worldmodel.objectives.e2c import E2C
from worldmodel.objectives.elbo import Elbo
from worldmodel.objectives.pc3 import PC3
from worldmodel.objectives.pcc import PCC
from worldmodel.objectives.predictive import Predictive
from worldmodel.sequence_vae import Dynamics, Encoder, Objective, SequenceVAE

OBJECTIVES = {"elbo": Elbo, "e2c": E2C, "pcc": PCC, "pc3": PC3, "predictive": Predictive}
RECURRENT = ("rssm", "categorical", "deterministic")  # those with a deterministic state


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the parts and scales of the losses."""

    dynamics: Literal[
        "rssm", "categorical", "deterministic", "ssm", "two-level", "locally-linear", "linear-gaussian"
    ] = "rssm"
    """The latent dynamics: a GRU with normals, with categorical variables, or without noise; networks that sample the
    whole latent, at once or in two levels; matrices that depend on the latent; the same matrices everywhere."""
    deter: int = 128
    """Width of the deterministic state, the GRU's (rssm, categorical and deterministic only; the others have none)."""
    stoch: int = 16
    """Width of the stochastic state."""
    classes: int = 8
    """Classes of each categorical variable; there are stoch / classes of them (categorical only)."""
    first_level: int = 4
    """How much of stoch is the first level, the one that is inferred (two-level only)."""
    min_std: float = MIN_STD
    """Smallest standard deviation of the latent's normals; the kernels hold that of the rssm."""
    hidden: int = 128
    """Width of the hidden layers."""
    encoder: Literal["state", "frame", "recurrent", "transformer", "pose"] = "state"
    """What the posterior sees: the model's own past and the frame; a stack of frames alone; frames and actions through
    a GRU, or through a causal transformer; where things are, each frame by itself, and how that changed."""
    stack: int = 1
    """How many frames the frame encoder sees; or the pose encoder: one, or two, whose change is half of stoch."""
    window: int = 16
    """How many rows back a layer of the transformer attends."""
    layers: int = 2
    """Of the transformer."""
    heads: int = 4
    """Of the transformer's attention."""
    images: Literal["patch", "fine", "coarse", "conv"] = "patch"
    """Image networks: patch embeddings (fast on CPUs), finer ones that find small things in wide pictures (as fast),
    the averages of patches (faster still), or the classic strided convolutions."""
    patch: int = 8
    """Side of one patch in pixels (all but conv)."""
    width: int = 64
    """Features per patch, or channels of the first convolution."""
    frequency: float = 3.0
    """Of the sines at the decoder's entrance, in radians per unit of a typical latent (fine only). Higher ones paint
    small things sooner; lower ones keep the latent smooth, in which velocities are told sooner."""
    likelihood: Literal["gaussian", "bernoulli", "own-units"] = "gaussian"
    """Of the pixels: normals of one deviation; on or off; normals in units of each pixel's own deviation in the first
    data, which make small things count in front of a background that never changes."""
    image_std: float = 0.1
    """Standard deviation of the Gaussian pixel likelihood, pixels in [0, 1]."""
    reward_std: float = 0.1
    """Standard deviation of the reward likelihood."""
    objective: Literal["elbo", "e2c", "pcc", "pc3", "predictive"] = "elbo"
    """What is minimised: the bound of a sequence, or terms of pairs of frames, for locally linear models (predictive:
    those of pc3 on poses of unit covariance)."""
    beta: float = 1.0
    """Weight of the KL (elbo), or of that to a standard normal (e2c, pcc)."""
    consistency: float = 0.25
    """Weight of what holds the encoder against the dynamics (e2c, pcc, pc3, predictive)."""
    curvature: float = 1.0
    """Weight of what is left of the dynamics beside a straight line (pcc, pc3, predictive)."""
    curvature_radius: float = 0.1
    """How far that looks, in the latent and in the action."""
    spread: float = 0.5
    """Weight of what holds mean 0 and covariance 1 (predictive)."""
    slowness: float = 0.0
    """Weight of the squared change of the pose (predictive)."""
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
    overshooting: float = 0.0
    """Weight of latent overshooting: the KL to priors several steps ahead; 0 leaves it out."""
    overshooting_steps: int = 5
    """How many steps it looks ahead."""


def build(config: ModelConfig, observation: tuple[int, int, int], action: int, discrete: bool = False) -> SequenceVAE:
    """The model for images ``observation = (height, width, channel)`` and ``action`` action dimensions (or choices)."""
    size = require_square(observation)
    family = choose_family(config)
    latent = config.stoch + (config.deter if config.dynamics in RECURRENT else 0)
    shown = frames_shown(config, observation[2])
    image, decoder = image_networks(config, size, observation[2] // shown, observation[2], latent)
    if config.encoder == "pose":
        encoder: Encoder = pose_encoder(config, image, observation, family, shown)
    else:
        encoder = choose_encoder(config, image, action, family.statistics, context_width(config, action))
    return SequenceVAE(
        encoder,
        choose_dynamics(config, family, action),
        decoder,
        Heads(latent, config.hidden),
        observation,
        choose_objective(config, shown),
        choose_likelihood(config, observation),
        config.reward_std,
        discrete,
    )


def choose_likelihood(config: ModelConfig, observation: tuple[int, int, int]) -> Likelihood:
    if config.likelihood == "bernoulli":
        return Bernoulli()
    return OwnUnits(config.image_std, observation) if config.likelihood == "own-units" else Gaussian(config.image_std)


def choose_family(config: ModelConfig) -> Family:
    """Of what the encoder infers."""
    if config.dynamics == "categorical":
        if config.stoch % config.classes:
            raise ValueError(
                f"Categorical variables share stoch evenly; got stoch={config.stoch} and classes={config.classes}. "
                "Make stoch a multiple of classes."
            )
        return CategoricalLatent(config.stoch // config.classes, config.classes)
    if config.dynamics == "deterministic":
        return PointLatent(config.stoch)
    if config.dynamics == "two-level":
        if not 0 < config.first_level < config.stoch:
            raise ValueError(
                f"Both levels need a width; got first_level={config.first_level} of stoch={config.stoch}. "
                "Leave something of stoch to either."
            )
        return NormalLatent(config.first_level, config.min_std)
    return NormalLatent(config.stoch, config.min_std)


def context_width(config: ModelConfig, action: int) -> int:
    """Of what the dynamics' prior sees, and a state encoder with it."""
    if config.dynamics in RECURRENT:
        return config.deter
    if config.dynamics == "ssm":
        return config.hidden
    if config.dynamics == "two-level":
        return config.hidden + config.stoch - config.first_level + action
    return config.stoch


def choose_dynamics(config: ModelConfig, family: Family, action: int) -> Dynamics:
    if config.dynamics in RECURRENT:
        return RSSM(config.deter, family, action, config.hidden)
    assert isinstance(family, NormalLatent)
    if config.dynamics == "ssm":
        return SSM(family, action, config.hidden)
    if config.dynamics == "two-level":
        second = NormalLatent(config.stoch - config.first_level, config.min_std)
        return TwoLevelSSM(family, second, action, config.hidden)
    if config.dynamics == "locally-linear":
        return LocallyLinear(family, action, config.hidden)
    return LinearGaussian(family, action)


def choose_encoder(config: ModelConfig, image: nn.Module, action: int, statistics: int, context: int) -> Encoder:
    """statistics: what the dynamics' family takes. context: what its prior sees."""
    if config.stack != 1 and config.encoder != "frame":
        raise ValueError(
            f"Only the frame and the pose encoder see a stack; stack={config.stack} and encoder={config.encoder} came. "
            "Leave stack at 1 for an encoder that remembers, or take the frame encoder."
        )
    hidden = config.hidden
    if config.encoder == "frame":
        return FrameEncoder(image, hidden, statistics, hidden, config.stack)
    if config.encoder == "recurrent":
        return RecurrentEncoder(image, hidden, statistics, action, hidden)
    if config.encoder == "transformer":
        return TransformerEncoder(image, hidden, statistics, action, hidden, config.layers, config.heads, config.window)
    return StateEncoder(image, hidden, context, statistics, hidden)


def frames_shown(config: ModelConfig, channels: int) -> int:
    """How many frames the pose encoder finds in one observation: two where it has two channels (`envs.task.Task`)."""
    return 2 if config.encoder == "pose" and channels == 2 else 1


def pose_encoder(
    config: ModelConfig, image: nn.Module, observation: tuple[int, int, int], family: Family, shown: int
) -> PoseEncoder:
    if not isinstance(family, NormalLatent):
        raise ValueError(
            f"Poses are numbers, which a latent of dynamics={config.dynamics} does not hold. "
            "Take dynamics with a normal latent, e.g. locally-linear."
        )
    require_stack(config.stack, shown)
    if family.stoch % config.stack:
        raise ValueError(
            f"Pose and its change share the latent evenly; {family.stoch} dimensions and stack={config.stack} came. "
            "Make it even, or take stack=1."
        )
    height, width, channels = observation
    frame, pose = (channels // shown, height, width), family.stoch // config.stack
    return PoseEncoder(image, frame, config.hidden, pose, config.stack, shown, config.hidden)


def choose_objective(config: ModelConfig, shown: int) -> Objective:
    if config.objective == "elbo":
        require_kl_ahead(config)
    else:
        require_pairs(config)
    kind, own = OBJECTIVES[config.objective], {"pose": config.stoch // config.stack, "incomplete": config.stack - shown}
    return kind(**{field.name: own.get(field.name, getattr(config, field.name, None)) for field in fields(kind)})


def require_kl_ahead(config: ModelConfig) -> None:
    if config.overshooting and config.dynamics == "deterministic":
        raise ValueError(
            "Latent overshooting compares distributions, and deterministic dynamics have none; "
            f"overshooting={config.overshooting} came. Leave it at 0, or take stochastic dynamics."
        )


def require_pairs(config: ModelConfig) -> None:
    if config.dynamics not in ("ssm", "locally-linear", "linear-gaussian"):
        raise ValueError(
            f"The objective {config.objective} takes pairs of frames, which know transitions of a normal latent alone; "
            f"dynamics={config.dynamics} came. Take locally-linear dynamics, or the objective elbo."
        )
    if config.objective == "e2c" and config.dynamics != "locally-linear":
        raise ValueError(
            "The objective e2c pushes a whole normal through locally linear dynamics; "
            f"dynamics={config.dynamics} came. Take locally-linear dynamics, or the objective pcc or elbo."
        )
    if config.objective == "predictive" and config.encoder != "pose":
        raise ValueError(
            f"The objective predictive shapes a pose and its change; encoder={config.encoder} came. "
            "Take the pose encoder, or the objective pc3."
        )
    if config.encoder == "state":
        raise ValueError(
            f"With the objective {config.objective} the encoder must not see the latent before it, with which it is "
            "compared; encoder=state came. Take the frame encoder, with a stack that tells velocities."
        )


def image_networks(
    config: ModelConfig, size: int, seen: int, channels: int, latent: int
) -> tuple[nn.Module, nn.Module]:
    """Encoder of images of ``seen`` channels, decoder of those of ``channels``."""
    if config.images == "conv":
        return (
            ConvEncoder(size, seen, config.hidden, config.width),
            ConvDecoder(latent, size, channels, config.width),
        )
    if config.images == "fine":
        return (
            FineEncoder(size, seen, config.hidden, config.patch, config.width),
            FineDecoder(latent, size, channels, config.hidden, config.patch, config.width, config.frequency),
        )
    return (
        CoarseEncoder(size, seen, config.hidden, config.patch)
        if config.images == "coarse"
        else PatchEncoder(size, seen, config.hidden, config.patch, config.width),
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
