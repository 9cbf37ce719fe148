"""Does the decoder show what moves? Small things are a small share of the pixels: the loss falls without them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from worldmodel.diagnosis.finding import Finding

QUESTION = "the decoder shows what moves"
MOVED = 0.1  # distance from the background, of [0, 1], at which a pixel counts as moving
SMALL = 0.02  # an object is small up to this share of the picture
LEAST_PIXELS = 2  # of an object; less is the edge of one
LEAST_FRAMES = 0.1  # share of the frames with small objects, or they are left out
LEAST_EXPLAINED = 0.5


class Explained(NamedTuple):
    """rms: over all pixels, the moving ones and those of small moving objects. explained: of the moving ones and of the
    small ones, the share of their squared distance to the mean picture that is gone; NaN where there are none."""

    rms: tuple[float, float, float]
    explained: tuple[float, float]
    share: float


def moving_objects(truth: np.ndarray, decoded: np.ndarray, background: np.ndarray) -> Finding:
    """Judge reconstructions ``[frames, height, width, channel]`` in [0, 1] of the frames ``truth``."""
    found = explained(truth, decoded, background)
    if np.isnan(found.explained[0]):
        return Finding(QUESTION, "unclear", "nothing moves in these frames")
    small = "" if np.isnan(found.explained[1]) else f", of small ones {found.explained[1]:.0%} (RMS {found.rms[2]:.3f})"
    evidence = (
        f"error (RMS) {found.rms[0]:.3f} on all pixels, {found.rms[1]:.3f} on the {found.share:.1%} that move; "
        f"of the moving {found.explained[0]:.0%} is explained{small}"
    )
    if np.nanmin(found.explained) >= LEAST_EXPLAINED:
        return Finding(QUESTION, "healthy", evidence)
    which = "what moves" if found.explained[0] < LEAST_EXPLAINED else "small objects that move"
    return Finding(
        QUESTION,
        "fault",
        evidence,
        f"The decoder is blind to {which}: there it does hardly better than the mean picture.",
        "Train longer, lower --model.image-std, use smaller --model.patch or larger images, or crop to what matters.",
    )


def explained(truth: np.ndarray, decoded: np.ndarray, background: np.ndarray) -> Explained:
    moving = (np.abs(truth - background) > MOVED).any(-1)
    small = small_objects(moving)
    if small.any((1, 2)).mean() < LEAST_FRAMES:
        small[:] = False
    error, still = np.square(truth - decoded).mean(-1), np.square(truth - truth.mean(0)).mean(-1)
    everywhere = np.ones_like(moving)
    rms = tuple(float(np.sqrt(error[mask].mean())) if mask.any() else np.nan for mask in (everywhere, moving, small))
    gone = tuple(float(1 - error[m].sum() / max(still[m].sum(), 1e-12)) if m.any() else np.nan for m in (moving, small))
    return Explained(rms, gone, float(moving.mean()))  # type: ignore[arg-type]


def small_objects(moving: np.ndarray) -> np.ndarray:
    """Which of the pixels ``moving [frames, height, width]`` belong to small connected objects."""
    neighbours = np.zeros((3, 3, 3), dtype=bool)
    neighbours[1] = True  # within a frame alone
    labels, count = ndimage.label(moving, neighbours)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    small = (size >= LEAST_PIXELS) & (size <= SMALL * moving[0].size)
    small[0] = False
    return small[labels]
