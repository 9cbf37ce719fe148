from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.worldmodel.examples import normal
from worldmodel.fine_images import FineDecoder, FineEncoder
from worldmodel.images import CoarseEncoder, ConvDecoder, ConvEncoder, PatchDecoder, PatchEncoder, to_model

FEATURES, LATENT = 24, 24


def patches(size: int) -> tuple[PatchEncoder, PatchDecoder]:
    torch.manual_seed(0)
    return PatchEncoder(size, 3, FEATURES, 8, 6), PatchDecoder(LATENT, size, 3, 32, 8, 6)


def convolutions(size: int) -> tuple[ConvEncoder, ConvDecoder]:
    torch.manual_seed(0)
    return ConvEncoder(size, 3, FEATURES, 4), ConvDecoder(LATENT, size, 3, 4)


def fine(size: int) -> tuple[FineEncoder, FineDecoder]:
    torch.manual_seed(0)
    return FineEncoder(size, 3, FEATURES, 8, 8), FineDecoder(LATENT, size, 3, 32, 8, 6)


BOTH = pytest.mark.parametrize("networks", [patches, fine, convolutions])
SIZES = pytest.mark.parametrize("size", [32, 64])


def test_a_coarse_encoder_sees_the_averages_of_patches_alone() -> None:
    torch.manual_seed(0)
    encoder, image = CoarseEncoder(16, 2, FEATURES, patch=4), torch.rand(3, 5, 2, 16, 16)
    turned = image.unflatten(-1, (4, 4)).flip(-1).flatten(-2)  # each patch mirrored
    assert encoder(image).shape == (3, 5, FEATURES)
    torch.testing.assert_close(encoder(turned), encoder(image))
    torch.testing.assert_close(encoder(image[0, 0]), encoder(image)[0, 0])
    assert (encoder(turned.flip(-1)) - encoder(image)).abs().max() > 0.01
    with pytest.raises(ValueError, match="multiple of 5"):
        CoarseEncoder(16, 2, FEATURES, patch=5)


def test_the_door_scales_and_moves_the_channel() -> None:
    observation = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5) * 2
    image = to_model(observation, torch.float64)
    assert image.shape == (2, 5, 3, 4)
    torch.testing.assert_close(image[1, 4, 2, 3], observation[1, 2, 3, 4].double() / 255, rtol=1e-12, atol=0)
    assert to_model(torch.full((1, 1, 1), 255, dtype=torch.uint8), torch.float32).item() == 1
    assert image.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_the_door_is_for_bytes(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=rf"must be uint8.*got dtype {dtype}"):
        to_model(torch.zeros(8, 8, 3, dtype=dtype), torch.float32)


@BOTH
@SIZES
def test_any_leading_axes(size: int, networks: Callable) -> None:
    encoder, decoder = networks(size)
    image, latent = normal(6, 3, size, size, dtype=torch.float32), normal(6, LATENT, dtype=torch.float32)
    assert encoder(image).shape == (6, FEATURES)
    assert decoder(latent).shape == (6, 3, size, size)
    for lead in [(2, 3), (6, 1)]:
        together = encoder(image.reshape(*lead, 3, size, size))
        torch.testing.assert_close(together, encoder(image).reshape(*lead, FEATURES))
        torch.testing.assert_close(
            decoder(latent.reshape(*lead, LATENT)), decoder(latent).reshape(*lead, 3, size, size)
        )
    assert encoder(image[0]).shape == (FEATURES,)
    assert decoder(latent[:0]).shape == (0, 3, size, size)


@BOTH
def test_rows_of_a_batch_are_alone(networks: Callable) -> None:
    encoder, decoder = (net.double() for net in networks(32))
    image, latent = normal(4, 3, 32, 32), normal(4, LATENT)
    torch.testing.assert_close(encoder(image)[2:3], encoder(image[2:3]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(decoder(latent)[2:3], decoder(latent[2:3]), rtol=1e-12, atol=1e-12)


@SIZES
def test_the_patch_embedding_is_a_convolution(size: int) -> None:
    """Kernel = stride = patch, given the same weights; and the pixels are centred by the bias."""
    encoder = patches(size)[0].double()
    weight = encoder.embed.weight.detach().reshape(6, 8, 8, 3).permute(0, 3, 1, 2)  # [width, channel, row, column]
    image = normal(5, 3, size, size)
    embedded = nn.functional.conv2d(image, weight, encoder.embed.bias, stride=8)  # [batch, width, row, column]
    expected = nn.functional.elu(encoder.mix(nn.functional.elu(embedded).permute(0, 2, 3, 1).flatten(1)))
    torch.testing.assert_close(encoder(image), expected, rtol=1e-10, atol=1e-10)


def test_an_embedding_of_grey_starts_small() -> None:
    """As if the pixels were centred: grey gives what zeros gave the linear layer, its bias alone (at most 1/√fan)."""
    encoder = patches(32)[0]
    grey = encoder.embed(torch.full((8 * 8 * 3,), 0.5))
    assert grey.abs().max() <= 1 / (8 * 8 * 3) ** 0.5 + 1e-6


@SIZES
def test_the_decoder_lays_patches_where_the_encoder_cuts_them(size: int) -> None:
    """With the decoder's codes and paint inverting the encoder's cut, an image comes back pixel by pixel.

    The embedding picks out the 192 numbers of one patch, the paint puts them back; between them, no mixing.
    """
    pixels, n = 8 * 8 * 3, size // 8
    encoder, decoder = PatchEncoder(size, 3, 1, 8, pixels).double(), PatchDecoder(1, size, 3, 1, 8, pixels).double()
    identity = torch.eye(pixels, dtype=torch.float64)
    with torch.no_grad():
        for layer in (encoder.embed, decoder.paint):
            layer.weight.copy_(identity)
            layer.bias.zero_()
    image = normal(2, 3, size, size).abs() + 0.1  # positive, where ELU is the identity
    cut: list[Tensor] = []
    encoder.mix.register_forward_pre_hook(lambda _, inputs: cut.append(inputs[0]))
    encoder(image)
    assert cut[0].shape == (2, n * n * pixels)
    decoder.codes.register_forward_hook(lambda *_: cut[0])
    torch.testing.assert_close(decoder(torch.zeros(2, 1, dtype=torch.float64)), image, rtol=1e-12, atol=1e-12)


@BOTH
@SIZES
def test_a_decoder_starts_from_grey(size: int, networks: Callable) -> None:
    image = networks(size)[1](normal(20, LATENT, dtype=torch.float32))
    assert (image.mean() - 0.5).abs() < 0.1
    assert image.std() < 0.2


@BOTH
@SIZES
def test_a_few_images_are_learnt_by_heart(size: int, networks: Callable) -> None:
    """Four pictures of one bright square each, through the encoder and the decoder: nine tenths of the error go."""
    encoder, decoder = networks(size)
    image = torch.zeros(4, 3, size, size)
    for i in range(4):
        row, column = divmod(i, 2)
        image[i, i % 3, row * size // 2 :, column * size // 2 :] = 1
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
    errors = []
    for _ in range(80):
        error = (decoder(encoder(image)) - image).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.1 * errors[0], errors[::10]


def test_sines_paint_a_moving_dot_that_smooth_units_smear() -> None:
    """A soft dot anywhere in the picture, painted from its position: after 200 updates well below the error."""
    torch.manual_seed(0)
    position, grid = torch.rand(128, 2) * 2 - 1, torch.linspace(-1.3, 1.3, 32)
    x, y = position[:, :1, None] - grid, position[:, 1:, None] - grid[:, None]
    image = torch.exp(-(x.square() + y.square()) / (2 * 0.15**2))[:, None].expand(-1, 3, -1, -1).contiguous()
    errors = []
    for decoder in (PatchDecoder(2, 32, 3, 128, 8, 16), FineDecoder(2, 32, 3, 128, 8, 16)):
        optimizer = torch.optim.Adam(decoder.parameters(), lr=3e-3)
        for _ in range(200):
            error = (decoder(position) - image).square().mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
        errors.append(error.item())
    assert errors[1] < errors[0] / 1.5, errors


@pytest.mark.parametrize("network", [PatchEncoder, PatchDecoder, FineEncoder, FineDecoder])
def test_patches_must_tile_the_image(network: type) -> None:
    arguments = {"size": 30, "channels": 3} | (
        {"features": 4} if network in (PatchEncoder, FineEncoder) else {"latent": 4}
    )
    with pytest.raises(ValueError, match=r"multiple of 8, the patch size; got 30\. Use .* 32"):
        network(**arguments, patch=8)


@pytest.mark.parametrize("network", [ConvEncoder, ConvDecoder])
def test_convolutions_halve_four_times(network: type) -> None:
    arguments = {"size": 40, "channels": 3} | ({"features": 4} if network is ConvEncoder else {"latent": 4})
    with pytest.raises(ValueError, match=r"multiple of 16, .*halve.*; got 40\."):
        network(**arguments)


def test_a_decoder_of_lower_frequency_changes_less_with_the_latent() -> None:
    moved = []
    for frequency in (1.0, 3.0):
        torch.manual_seed(0)
        decoder = FineDecoder(8, 16, 3, frequency=frequency)
        latent = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
        moved.append((decoder(latent + 0.05) - decoder(latent)).square().mean().sqrt())
    assert moved[1] > 2 * moved[0]


@pytest.mark.parametrize("frequency", [0.0, -1.0, float("nan")])
def test_sines_need_a_frequency(frequency: float) -> None:
    with pytest.raises(ValueError, match=f"frequency above 0; {frequency} came.*images=patch"):
        FineDecoder(8, 16, 3, frequency=frequency)
