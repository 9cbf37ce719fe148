from dataclasses import asdict, fields, replace

import pytest
import torch

from worldmodel.build import ModelConfig, build, context_width
from worldmodel.distributions import CategoricalLatent, Family, NormalLatent, PointLatent
from worldmodel.dynamics.linear_gaussian import LinearGaussian
from worldmodel.dynamics.locally_linear import LocallyLinear
from worldmodel.dynamics.rssm import RSSM
from worldmodel.dynamics.ssm import SSM
from worldmodel.dynamics.two_level import TwoLevelSSM
from worldmodel.encoders.frame import FrameEncoder
from worldmodel.encoders.pose import PoseEncoder
from worldmodel.encoders.recurrent import RecurrentEncoder
from worldmodel.encoders.state import StateEncoder
from worldmodel.encoders.transformer import TransformerEncoder
from worldmodel.images import ConvDecoder, ConvEncoder, PatchDecoder, PatchEncoder
from worldmodel.interface import Sizes
from worldmodel.likelihoods import Bernoulli, Gaussian, OwnUnits
from worldmodel.objectives.elbo import Elbo

TINY = ModelConfig(deter=7, stoch=3, hidden=6, width=2)


def test_the_parts_are_those_of_the_configuration() -> None:
    model = build(TINY, (16, 16, 3), action=2)
    assert model.sizes == Sizes(deter=7, stoch=3, action=2, memory=0, observation=(16, 16, 3))
    assert build(TINY, (16, 16, 3), action=2, discrete=True).sizes == model.sizes._replace(discrete=True)
    assert model.sizes.latent == 10
    assert isinstance(model.dynamics, RSSM)
    assert isinstance(model.encoder, StateEncoder)
    assert isinstance(model.decoder, PatchDecoder)
    assert isinstance(model.encoder.image, PatchEncoder)
    conv = build(replace(TINY, images="conv"), (16, 16, 3), action=2)
    assert isinstance(conv.decoder, ConvDecoder)
    assert isinstance(conv.encoder.image, ConvEncoder)


def test_the_widths_are_those_of_the_configuration() -> None:
    patch = build(replace(TINY, patch=4), (16, 16, 3), 1)
    assert patch.encoder.image.embed.weight.shape == (2, 3 * 4 * 4)
    assert patch.decoder.paint.weight.shape == (3 * 4 * 4, 2)
    assert patch.decoder.lift.weight.shape == (6, 10)
    assert patch.dynamics.inputs.weight.shape == (6, 3 + 1)
    conv = build(replace(TINY, images="conv"), (16, 16, 3), 1)
    assert conv.encoder.image.layers[0].weight.shape == (2, 3, 4, 4)
    assert conv.decoder.layers[-1].weight.shape == (2, 3, 4, 4)
    assert patch.encoder.image.features == conv.encoder.image.features == 6


@pytest.mark.parametrize("field", [field.name for field in fields(Elbo)])
def test_every_number_of_the_objective_comes_from_the_configuration(field: str) -> None:
    value = {"open_loop_steps": 5, "open_loop_images": 7, "overshooting_steps": 9}.get(field, 0.123)
    assert getattr(build(replace(TINY, **{field: value}), (16, 16, 3), 1).objective, field) == value


def test_the_defaults_of_configuration_and_objective_agree() -> None:
    defaults = {field.name: field.default for field in fields(ModelConfig)}
    assert {name: defaults[name] for name in asdict(Elbo())} == asdict(Elbo())


def test_the_likelihoods_come_from_the_configuration() -> None:
    model = build(replace(TINY, image_std=0.3, reward_std=0.2), (16, 16, 3), 1)
    assert (model.likelihood, model.reward_std) == (Gaussian(0.3), 0.2)
    assert build(replace(TINY, likelihood="bernoulli"), (16, 16, 3), 1).likelihood == Bernoulli()
    own = build(replace(TINY, likelihood="own-units", image_std=0.3), (16, 16, 3), 1).likelihood
    assert isinstance(own, OwnUnits)
    assert own.std == 0.3


@pytest.mark.parametrize(
    ("encoder", "kind", "memory"),
    [
        ({"encoder": "frame"}, FrameEncoder, 0),
        ({"encoder": "frame", "stack": 3}, FrameEncoder, 2 * 6),
        ({"encoder": "recurrent"}, RecurrentEncoder, 6),
        ({"encoder": "transformer", "heads": 2, "layers": 3, "window": 5}, TransformerEncoder, 4 * (1 + 3 * 2 * 6)),
    ],
)
def test_the_encoder_is_that_of_the_configuration(encoder: dict, kind: type, memory: int) -> None:
    model = build(replace(TINY, **encoder), (16, 16, 3), action=2)
    assert isinstance(model.encoder, kind)
    assert model.sizes.memory == memory


def test_a_stack_for_an_encoder_that_remembers_is_refused() -> None:
    with pytest.raises(ValueError, match="stack=2 and encoder=recurrent came"):
        build(replace(TINY, encoder="recurrent", stack=2), (16, 16, 3), 1)


@pytest.mark.parametrize(
    ("dynamics", "kind", "family"),
    [
        ("rssm", RSSM, NormalLatent(6)),
        ("categorical", RSSM, CategoricalLatent(groups=2, classes=3)),
        ("deterministic", RSSM, PointLatent(6)),
        ("ssm", SSM, NormalLatent(6)),
        ("two-level", TwoLevelSSM, NormalLatent(2)),
        ("locally-linear", LocallyLinear, NormalLatent(6)),
        ("linear-gaussian", LinearGaussian, NormalLatent(6)),
    ],
)
def test_the_dynamics_are_those_of_the_configuration(dynamics: str, kind: type, family: Family) -> None:
    config = replace(TINY, dynamics=dynamics, stoch=6, classes=3, first_level=2)
    model = build(config, (16, 16, 3), action=2)
    assert isinstance(model.dynamics, kind)
    assert model.dynamics.latent == family
    assert model.dynamics.context == context_width(config, 2)
    assert model.sizes == Sizes(7 if kind is RSSM else 0, 6, 2, 0, (16, 16, 3))


def test_the_smallest_std_comes_from_the_configuration() -> None:
    for dynamics in ("ssm", "two-level", "locally-linear", "linear-gaussian"):
        model = build(replace(TINY, stoch=6, dynamics=dynamics, min_std=0.01), (16, 16, 3), action=2)
        assert model.dynamics.latent.min_std == 0.01


def test_sizes_that_do_not_fit_the_dynamics_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stoch evenly; got stoch=3 and classes=8\. Make stoch a multiple"):
        build(replace(TINY, dynamics="categorical"), (16, 16, 3), 1)
    for first_level in (0, 3):
        with pytest.raises(ValueError, match=f"need a width; got first_level={first_level} of stoch=3"):
            build(replace(TINY, dynamics="two-level", first_level=first_level), (16, 16, 3), 1)
    with pytest.raises(ValueError, match=r"std is at least 0\.1; got min_std=0\.01\. Leave it out"):
        build(replace(TINY, min_std=0.01), (16, 16, 3), 1)


@pytest.mark.parametrize("images", ["patch", "fine", "conv"])
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_in_use(channels: int, size: int, images: str) -> None:
    model = build(replace(TINY, images=images), (size, size, channels), action=1)
    observation = torch.zeros(2, size, size, channels, dtype=torch.uint8)
    belief = model.filter(model.initial(2), torch.zeros(2, 1), observation)
    assert model.decode(belief.state).shape == (2, channels, size, size)


def test_weights_follow_the_seed_alone() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(torch.cat([p.flatten() for p in build(TINY, (16, 16, 3), 1).parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_images_must_be_square() -> None:
    with pytest.raises(ValueError, match="must be square; got height 32 and width 48"):
        build(TINY, (32, 48, 3), action=1)


def test_images_must_suit_their_networks() -> None:
    with pytest.raises(ValueError, match="multiple of 8, the patch size; got 20"):
        build(TINY, (20, 20, 3), action=1)
    with pytest.raises(ValueError, match="multiple of 16"):
        build(replace(TINY, images="conv"), (24, 24, 3), action=1)


@pytest.mark.parametrize("name", ["e2c", "pcc", "pc3"])
def test_objectives_on_pairs_come_with_their_numbers(name: str) -> None:
    pairs = {"dynamics": "locally-linear", "encoder": "frame", "stack": 3, "objective": name}
    numbers = {"beta": 0.2, "consistency": 0.3, "curvature": 0.4, "curvature_radius": 0.5}
    found = build(replace(TINY, **pairs, **numbers), (16, 16, 3), 1).objective
    assert found.incomplete == 2
    assert asdict(found).items() <= (numbers | {"incomplete": 2}).items()


@pytest.mark.parametrize(("channels", "shown"), [(3, 1), (1, 1), (2, 2)])
def test_a_pose_has_half_of_the_latent_and_its_change_the_other(channels: int, shown: int) -> None:
    """Two channels are two grey frames; else the frame before is remembered."""
    numbers = {"spread": 0.2, "slowness": 0.3, "consistency": 0.4, "curvature": 0.5, "curvature_radius": 0.6}
    parts = {"dynamics": "locally-linear", "encoder": "pose", "stack": 2, "stoch": 6, "objective": "predictive"}
    model = build(replace(TINY, **parts, **numbers), (16, 16, channels), 1)
    assert isinstance(model.encoder, PoseEncoder)
    assert (model.encoder.pose, model.encoder.shown, model.sizes.memory) == (3, shown, 0 if shown == 2 else 4)
    assert asdict(model.objective) == numbers | {"pose": 3, "incomplete": 2 - shown}
    assert model.decode(model.initial(2).state).shape == (2, channels, 16, 16)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"objective": "pcc"}, "know transitions of a normal latent alone; dynamics=rssm came"),
        ({"objective": "e2c", "dynamics": "ssm", "encoder": "frame"}, "locally linear dynamics; dynamics=ssm came"),
        ({"objective": "pc3", "dynamics": "ssm"}, "the encoder must not see the latent before it"),
        (
            {"objective": "predictive", "dynamics": "ssm", "encoder": "frame"},
            "a pose and its change; encoder=frame came",
        ),
        ({"dynamics": "ssm", "encoder": "pose", "stack": 2}, "share the latent evenly; 3 dimensions and stack=2 came"),
        ({"dynamics": "ssm", "encoder": "pose", "stack": 4, "stoch": 4}, "stack=4 came"),
        ({"dynamics": "categorical", "encoder": "pose", "classes": 3}, "dynamics=categorical does not hold"),
        ({"overshooting": 1.0, "dynamics": "deterministic"}, "deterministic dynamics have none; overshooting=1.0 came"),
    ],
)
def test_objectives_that_do_not_go_with_the_parts_are_refused(fields: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build(replace(TINY, **fields), (16, 16, 3), 1)
