"""Do the pixels show anything: contrast, change, and no frames of one colour?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldmodel.diagnosis.finding import Finding
from worldmodel.episode import Episode

QUESTION = "pixels show something that changes"
LEAST_CONTRAST = 16  # grey levels between the darkest and the brightest pixel of all
LEAST_CHANGING = 0.001  # share of the pixels that change at all by a few grey levels
CHANGE = 4
ONE_COLOUR, BLANK_SHARE = 0.998, 0.01  # a frame is blank with this share of one value; so many frames may be
FRAMES = 2000


def pixels(episodes: Sequence[Episode]) -> Finding:
    """The first fault of: values without contrast, pixels that never change, frames of a single value."""
    every = max(1, sum(episode.rows for episode in episodes) // FRAMES)
    frames = np.concatenate([episode.observation for episode in episodes])[::every]
    low, high = int(frames.min()), int(frames.max())
    changing = float((frames.max(0).astype(int) - frames.min(0) > CHANGE).any(-1).mean())
    blank, value = blank_frames(frames)
    evidence = (
        f"values {low} to {high}, {changing:.1%} of the pixels change, {blank:.1%} of {len(frames)} frames are blank"
    )
    fault, advice = judge(low, high, changing, blank, value)
    return Finding(QUESTION, "fault" if fault else "healthy", evidence, fault, advice)


def judge(low: int, high: int, changing: float, blank: float, value: int) -> tuple[str, str]:
    """What is wrong and what to do; both empty where nothing is."""
    if high <= 1 and low < high:
        return (
            "Frames look like floats in [0, 1] that were cut down to whole numbers.",
            "Multiply by 255 and round before converting to uint8.",
        )
    if changing < LEAST_CHANGING:
        return "No pixel changes: all frames are the same.", "Look at the thumbnails; is the camera where things move?"
    if high - low < LEAST_CONTRAST:
        return (
            f"All pixels lie between {low} and {high}: there is hardly any contrast.",
            "Scale the frames to 0 to 255, or light the scene.",
        )
    if blank > BLANK_SHARE:
        colour = "saturated (255)" if value == 255 else "black (0)" if value == 0 else f"of the one value {value}"
        return (
            f"Frames are {colour}: a picture with nothing in it.",
            "Leave these episodes out; look for a camera that starts late, is over-exposed, or a renderer that failed.",
        )
    return "", ""


def blank_frames(frames: np.ndarray) -> tuple[float, int]:
    """Share of the frames that have (nearly) one value throughout, and which value most of these have."""
    flat = frames.reshape(len(frames), -1)
    middle = np.median(flat, axis=1).astype(np.uint8)
    blank = (flat == middle[:, None]).mean(1) > ONE_COLOUR
    return float(blank.mean()), int(np.median(middle[blank])) if blank.any() else 0
