"""What a model has learnt, from Python: the functions behind `worldmodel show`, one after the other.

python examples/insight.py runs/demo
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from experiments.report.show_run import look
from experiments.state_probe import variables
from worldmodel.distributions import Normal, kl_per_dimension
from worldmodel.insight.active_units import active_units
from worldmodel.insight.horizon import break_even, image_errors, look_ahead
from worldmodel.insight.latent_map import continuity, latent_map, trustworthiness
from worldmodel.insight.linearity import spectrum
from worldmodel.insight.probes import linear_probe


def main(run: str, episodes: int = 10) -> None:
    torch.set_num_threads(1)
    seen = look(Path(run), episodes, seed=0)  # plays episodes that the run was not trained on, and filters them
    latents, states = seen.latents, seen.states  # [rows, latent] as an array, [episodes, rows, latent] as tensors

    probe = linear_probe(latents, seen.described, seen.episode)
    for name, score in zip(variables(seen.variables), probe.r2, strict=True):
        print(f"{name:<12} is told by a line with R² {score:.3f}")

    flat = latent_map(latents, dims=2)
    some = slice(None, None, max(1, len(latents) // 500))
    places = flat(latents[some])
    print(f"the flat map shows {flat.share.sum():.0%} of the variance; trustworthiness", end=" ")
    print(f"{trustworthiness(latents[some], places):.2f}, continuity {continuity(latents[some], places):.2f}")

    q, p = seen.posterior.posterior, seen.posterior.prior
    if isinstance(q, Normal) and isinstance(p, Normal):
        units = active_units(seen.flat(kl_per_dimension(q, p)), seen.flat(q.mean))
        print(f"{units.active.sum()} of {len(units.active)} dimensions are active")

    background = np.median(np.concatenate([e.observation for e in seen.episodes]), axis=0)
    ahead = look_ahead(seen.model, seen.episodes, states, horizon=15)
    _, moving = image_errors(seen.model, seen.episodes, ahead, background)
    steps = break_even(np.nanmean(moving.model, 0), np.nanmean(moving.copy, 0))
    print(f"moving pixels are predicted better than by the last frame up to {steps} of {ahead.horizon} steps ahead")

    rest = torch.zeros(len(states.stoch), 1, seen.model.sizes.action)
    A = seen.model.linearize(states.map(lambda x: x[:, :1]), rest).A
    growing = (spectrum(A).abs()[..., 0] > 1).float().mean()
    print(f"at the starts, deviations grow from step to step in {growing:.0%} of the states")


if __name__ == "__main__":
    main(sys.argv[1])
