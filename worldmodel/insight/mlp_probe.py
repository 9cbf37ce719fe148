"""Probes that bend: what of one description of a state a small perceptron reads off another."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from worldmodel.insight import probes
from worldmodel.networks import mlp

STEPS, BATCH, HIDDEN = 1500, 256, 64


class Probe(nn.Module):
    """A perceptron between standardised values, ``[..., inputs] -> [..., outputs]``; r2: on held-out episodes."""

    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor

    def __init__(self, inputs: Tensor, outputs: Tensor):
        super().__init__()
        self.net = mlp(inputs.shape[-1], [HIDDEN, HIDDEN], outputs.shape[-1])
        for name, values in (("input", inputs), ("output", outputs)):
            std = values.std(0)
            self.register_buffer(f"{name}_mean", values.mean(0))
            self.register_buffer(f"{name}_std", std.clamp(min=max(0.05 * float(std.mean()), 1e-6)))
        self.r2 = float("nan")

    def forward(self, x: Tensor) -> Tensor:
        return self.net((x - self.input_mean) / self.input_std) * self.output_std + self.output_mean


def fit_probe(inputs: Tensor, outputs: Tensor, held_out: Tensor) -> Probe:
    """Least squares by Adam, the same to the bit every time. inputs and outputs ``[rows, ...]``."""
    generator = torch.Generator().manual_seed(0)
    x, y = inputs[~held_out], outputs[~held_out]
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from the global generator alone
        torch.manual_seed(0)
        probe = Probe(x, y)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
        loss = ((probe(x[rows]) - y[rows]) / probe.output_std).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    probe.requires_grad_(False)
    probe.r2 = r_squared(probe(inputs[held_out]), outputs[held_out])
    return probe


def r_squared(predicted: Tensor, truth: Tensor) -> float:
    """Share of the variance explained, over all columns in proportion to their variance."""
    error = (predicted - truth).square().sum()
    return 1 - float(error / (truth - truth.mean(0)).square().sum().clamp(min=1e-12))


def mlp_r2(features: np.ndarray, targets: np.ndarray, episode: np.ndarray, held_out: int = 5) -> np.ndarray:
    """R² ``[targets]`` on every ``held_out``-th episode, of a perceptron fitted on the others: the bending companion of
    `worldmodel.insight.probes.linear_probe`, whose arguments and errors it shares. What it reads and a line does not is
    in the latent, but curled up.
    """
    probes.check(features, targets, episode)
    test = probes.held_out_rows(episode, held_out)
    x, y = (torch.from_numpy(values.astype(np.float32)) for values in (features, targets))
    probe = fit_probe(x, y, torch.from_numpy(test))
    return probes.r_squared(probe(x[test]).numpy(), targets[test])
