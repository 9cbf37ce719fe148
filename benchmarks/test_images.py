"""Image networks in one training step: patch embeddings and their mirror image beside the classic convolutions.

    OMP_NUM_THREADS=1 pytest benchmarks/test_images.py --benchmark-enable

Encoder and decoder, forward and backward, of 512 frames (16 windows of 32 rows) at the default sizes, on one thread.
First both have to be right. Each round of the patches follows one of the convolutions, and what counts is the
ratio of the medians, ``conv_over_patch`` in the extra info. Times are of the processor.
"""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from worldmodel.build import ModelConfig, image_networks
from worldmodel.images import to_model

FRAMES, ROUNDS, WARMUP = 512, 12, 2
DEFAULTS = ModelConfig()
LATENT = DEFAULTS.deter + DEFAULTS.stoch


class Networks(NamedTuple):
    """An encoder and a decoder with fixed weights."""

    encoder: nn.Module
    decoder: nn.Module

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def losses(self, observation: Tensor, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, pictures and a loss of both, from the uint8 frames on, as in an update."""
        image = to_model(observation, torch.float32)
        features, picture = self.encoder(image), self.decoder(latent)
        return features, picture, features.square().mean() + (picture - image).square().mean()

    def step(self, observation: Tensor, latent: Tensor) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        self.losses(observation, latent)[-1].backward()


def networks(images: str, size: int) -> Networks:
    torch.manual_seed(0)
    config = ModelConfig(images=images)  # type: ignore[arg-type]
    return Networks(*image_networks(config, size, 3, 3, LATENT))


def data(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    observation = torch.randint(0, 256, (FRAMES, size, size, 3), generator=generator, dtype=torch.uint8)
    return observation, torch.randn(FRAMES, LATENT, generator=generator)


def require_right(one: Networks, size: int) -> None:
    """Shapes; everything finite; a gradient for every parameter, and one that leads downhill."""
    observation, latent = data(size)
    features, picture, loss = one.losses(observation, latent)
    assert features.shape == (FRAMES, DEFAULTS.hidden)
    assert picture.shape == (FRAMES, 3, size, size)
    loss.backward()
    gradients = [parameter.grad for parameter in one.parameters]
    assert all(gradient is not None and gradient.isfinite().all() and gradient.any() for gradient in gradients)
    with torch.no_grad():
        for parameter, gradient in zip(one.parameters, gradients, strict=True):
            parameter.sub_(1e-2 * gradient)
        assert one.losses(observation, latent)[-1] < loss


def seconds(one: Networks, observation: Tensor, latent: Tensor) -> float:
    started = time.process_time()
    one.step(observation, latent)
    return time.process_time() - started


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("size", [32, 64])
def test_encoder_and_decoder(benchmark: BenchmarkFixture, size: int) -> None:
    for images in ("patch", "conv"):
        require_right(networks(images, size), size)
    patch, conv, inputs = networks("patch", size), networks("conv", size), data(size)
    by_conv: list[float] = []
    rounds = ROUNDS if benchmark.enabled else 1
    benchmark.pedantic(
        patch.step,
        args=inputs,
        setup=lambda: by_conv.append(seconds(conv, *inputs)),
        rounds=rounds,
        warmup_rounds=WARMUP,
    )
    if benchmark.stats is not None:  # absent under --benchmark-disable
        by_patch = benchmark.stats.stats.median
        ours, classic = 1e3 * by_patch, 1e3 * statistics.median(by_conv[WARMUP:])
        benchmark.extra_info |= {"patch_ms": round(ours, 1), "conv_ms": round(classic, 1)}
        benchmark.extra_info["conv_over_patch"] = round(classic / ours, 1)
