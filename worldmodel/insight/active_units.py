"""Which dimensions of the stochastic latent carry anything: what the posterior knows there beyond the prior."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

KL_NATS, VARIANCE = 0.01, 0.01


class ActiveUnits(NamedTuple):
    """Each ``[stoch]``. kl: nats per step, in the mean over rows. variance: of the posterior's mean, over rows."""

    kl: np.ndarray
    variance: np.ndarray
    active: np.ndarray


def active_units(kl: np.ndarray, posterior_mean: np.ndarray) -> ActiveUnits:
    """Active: the posterior's mean moves with the data (its variance exceeds 0.01: Burda 2016, section 5) and the KL to
    the prior is more than 0.01 nats. A collapsed dimension has neither; a posterior that moves only as its prior does
    (a clock, say) has the first alone: nothing of it comes from the picture.

    kl ``[rows, stoch]``, e.g. of `worldmodel.distributions.kl_per_dimension`; posterior_mean ``[rows, stoch]``. Raises
    ValueError where the shapes differ.
    """
    if kl.shape != posterior_mean.shape or kl.ndim != 2 or len(kl) < 2:
        raise ValueError(
            f"KL and posterior means are of the same rows, [rows, stoch] each, two rows at least; the shapes "
            f"{kl.shape} and {posterior_mean.shape} came. Flatten batch and time, and leave out padded rows."
        )
    mean_kl, variance = kl.mean(0), posterior_mean.var(0)
    return ActiveUnits(mean_kl, variance, (mean_kl > KL_NATS) & (variance > VARIANCE))
