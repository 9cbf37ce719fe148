"""The error ladder: from planning on the truth down to the learned model as it is, and who loses the return on the way.

    reference → simulator         the planner    it finds less than the reference does, though its model is true
    simulator → told-true-reward  the dynamics   start and reward are still the truth's
    told-true-reward → told       the reward head
    told → learned                the encoder    the belief is filtered from pictures rather than told

The four losses add up to what is lost in all, reference - learned. One rung stands beside the ladder: true-reward →
learned is the loss by the reward head once more, with a filtered belief. (Rungs: `experiments.ladder_models`.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np

from experiments.evaluate import interval
from experiments.ladder_models import Rung

RUNGS: tuple[Rung, ...] = get_args(Rung)
PARTS: tuple[tuple[str, Rung, Rung], ...] = (
    ("dynamics", "simulator", "told-true-reward"),
    ("reward head", "told-true-reward", "told"),
    ("encoder", "told", "learned"),
)
MATTERS = 0.05  # of the way from random to reference (or of the simulator's return): less is not worth a word
TRUSTED = 0.8  # R² of a probe; what is told by a worse one says little
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Loss:
    """Return lost by one part, and its 95 % interval (by bootstrap over episodes, paired by start state)."""

    part: str
    mean: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        return self.low > 0

    @property
    def negative(self) -> bool:
        """The truth in its place does worse: it made up for other errors, or the probe is worse than the part."""
        return self.high < 0


@dataclass(frozen=True)
class Floor:
    """Where the ladder ends and begins: mean returns of random actions and of the reference, whose standard error."""

    random: float
    reference: float
    standard_error: float


class Scale(NamedTuple):
    """What losses are measured against."""

    size: float
    name: str

    def share(self, loss: float) -> str:
        return f"{loss / self.size:.0%} of {self.name}" if self.size > 0 else f"{self.name} being nothing"


@dataclass(frozen=True)
class Ladder:
    """returns: one per episode, by rung. cross_check: loss by the reward head with filtered beliefs. probe: R² of the
    probes.
    """

    planner: str
    returns: dict[Rung, tuple[float, ...]]
    losses: tuple[Loss, ...]
    cross_check: Loss
    probe: dict[str, float]
    words: tuple[str, ...]


def climb(
    planner: str, returns: Mapping[Rung, Sequence[float]], floor: Floor | None, probe: Mapping[str, float]
) -> Ladder:
    """The losses and what they mean. returns: all `RUNGS`, one per episode, in the same order of start states."""
    parts = [lost(part, returns[above], returns[below]) for part, above, below in PARTS]
    losses = ([planner_loss(returns["simulator"], floor)] if floor else []) + parts
    cross_check = lost("reward head, filtered", returns["true-reward"], returns["learned"])
    simulated = float(np.mean(returns["simulator"]))
    scale = (
        Scale(floor.reference - floor.random, "the way from random to reference")
        if floor
        else Scale(simulated, "the return on the simulator")
    )
    total = (floor.reference if floor else simulated) - float(np.mean(returns["learned"]))
    words = (verdict(losses, total, scale), *[sentence(loss, scale) for loss in losses], *doubts(losses, probe, floor))
    kept: dict[Rung, tuple[float, ...]] = {rung: tuple(returns[rung]) for rung in RUNGS}
    return Ladder(planner, kept, tuple(losses), cross_check, dict(probe), words)


def lost(part: str, above: Sequence[float], below: Sequence[float]) -> Loss:
    differences = (np.asarray(above) - np.asarray(below)).tolist()
    return Loss(part, float(np.mean(differences)), *interval(differences))


def planner_loss(simulated: Sequence[float], floor: Floor) -> Loss:
    """Not paired: the reference was played on other start states. Its standard error widens the interval."""
    mean, (low, high) = float(np.mean(simulated)), interval(list(simulated))
    spread = NORMAL_95 * floor.standard_error
    loss = floor.reference - mean
    return Loss("planner", loss, loss - math.hypot(high - mean, spread), loss + math.hypot(mean - low, spread))


def verdict(losses: Sequence[Loss], total: float, scale: Scale) -> str:
    """One sentence: which part loses most."""
    of_scale = f"{total:.1f} in all, {scale.share(total)}"
    worst = max(losses, key=lambda loss: loss.mean)
    if total < MATTERS * scale.size and worst.mean < MATTERS * scale.size:
        return f"Little is lost ({of_scale}): no part stands out."
    guilty = [loss for loss in losses if loss.certain and loss.mean >= MATTERS * scale.size]
    if not guilty:
        return (
            f"Return is lost ({of_scale}), but no part's loss is certain: each interval reaches zero. "
            f"The {worst.part} is the first suspect; play more episodes."
        )
    worst = max(guilty, key=lambda loss: loss.mean)
    others = [loss.part for loss in guilty if loss is not worst]
    also = f"; the {' and the '.join(others)} {'loses' if len(others) == 1 else 'lose'} some too" if others else ""
    return f"The {worst.part} loses most of the return: {worst.mean:.1f} of {of_scale}{also}."


def sentence(loss: Loss, scale: Scale) -> str:
    numbers = f"{loss.mean:+.1f} ({loss.low:+.1f} to {loss.high:+.1f}), {scale.share(loss.mean)}"
    if loss.certain:
        return f"The {loss.part} loses {numbers}."
    if loss.negative:
        return f"The {loss.part} loses nothing: the truth in its place does worse, {numbers}."
    return f"The {loss.part}: {numbers}; not told from zero."


def doubts(losses: Sequence[Loss], probe: Mapping[str, float], floor: Floor | None) -> list[str]:
    said = [
        f"The probe for the {name} explains only {r2:.0%} of the variance, so what hangs on it says little."
        for name, r2 in probe.items()
        if r2 < TRUSTED
    ]
    if any(loss.negative and loss.part in ("encoder", "reward head") for loss in losses):
        said.append("A part that beats the truth in its place shows how much the probe itself loses.")
    if floor is None:
        said.append("No reference of this task is stored, so the planner's own loss is not known.")
    return said
