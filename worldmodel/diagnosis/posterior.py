"""Does the encoder tell the latent anything? A collapsed posterior says what the prior says, whatever the picture."""

from __future__ import annotations

import numpy as np

from worldmodel.diagnosis.finding import Finding
from worldmodel.insight.active_units import active_units

QUESTION = "the posterior has not collapsed"
LEAST_NATS = 0.1


def posterior(kl: np.ndarray, mean: np.ndarray) -> Finding:
    """Judge the KL to the prior of each dimension, ``[rows, stoch]`` nats, and the posterior's mean, the same shape."""
    units = active_units(kl, mean)
    total, active = float(units.kl.sum()), int(units.active.sum())
    evidence = (
        f"KL {total:.2f} nats a row, {active} of {len(units.kl)} dimensions active; "
        f"most in one dimension {units.kl.max():.3f}, least {units.kl.min():.3f}"
    )
    if active and total >= LEAST_NATS:
        return Finding(QUESTION, "healthy", evidence)
    return Finding(
        QUESTION,
        "fault",
        evidence,
        "The posterior has collapsed to the prior: the latent learns nothing from the pictures.",
        "Lower --model.image-std (pixels count more), raise --model.free-nats, or train longer.",
    )
