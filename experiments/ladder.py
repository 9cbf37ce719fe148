"""The error ladder: from planning on the truth down to the learned model as it is, and who loses the return on the way.

    reference → simulator         the planner    it finds less than the reference does, though its model is true
    simulator → told-true-reward  the dynamics   start and reward are still the truth's
    told-true-reward → told       the reward head
    told → learned                the encoder    the belief is filtered from pictures rather than told

The four losses add up to what is lost in all, reference - learned. (Rungs: `experiments.ladder_models`.)

The truth is told through probes, and a planner may do worse with a probe than with the part that it replaces: planners
look for what a network overrates. A rung that is certainly below the next one is no truth and is left out; what lies
around it is then judged together (`CHAINS`).
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
CHAINS: tuple[tuple[tuple[str, Rung, Rung], ...], ...] = (  # the first that holds counts: part, rungs above and below
    (
        ("dynamics", "simulator", "told-true-reward"),
        ("reward head", "told-true-reward", "told"),
        ("encoder", "told", "learned"),
    ),
    (("dynamics and reward head", "simulator", "told"), ("encoder", "told", "learned")),
    (("dynamics and encoder", "simulator", "true-reward"), ("reward head", "true-reward", "learned")),
    (("learned model as a whole", "simulator", "learned"),),
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
    def verb(self) -> str:
        return "lose" if " and " in self.part else "loses"

    @property
    def certain(self) -> bool:
        return self.low > 0

    @property
    def negative(self) -> bool:
        """Certainly a gain: the truth in the place of this part does worse."""
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
        return f"{loss / self.size:z.0%} of {self.name}" if self.size > 0 else f"{self.name} being nothing"


@dataclass(frozen=True)
class Ladder:
    """returns: one per episode, by rung. losses: of the planner, where a reference is known, and of a chain's parts.
    probe: R² of the probes. words: the verdict, then a sentence per loss and per doubt.
    """

    planner: str
    returns: dict[Rung, tuple[float, ...]]
    losses: tuple[Loss, ...]
    probe: dict[str, float]
    words: tuple[str, ...]


def climb(
    planner: str, returns: Mapping[Rung, Sequence[float]], floor: Floor | None, probe: Mapping[str, float]
) -> Ladder:
    """The losses and what they mean. returns: all `RUNGS`, one per episode, in the same order of start states."""
    chains = [[lost(part, returns[above], returns[below]) for part, above, below in chain] for chain in CHAINS]
    chain = next(found for found in chains if not any(loss.negative for loss in found[1:]))
    losses = ([planner_loss(returns["simulator"], floor)] if floor else []) + chain
    simulated = float(np.mean(returns["simulator"]))
    scale = (
        Scale(floor.reference - floor.random, "the way from random to reference")
        if floor
        else Scale(simulated, "the return on the simulator")
    )
    total = (floor.reference if floor else simulated) - float(np.mean(returns["learned"]))
    words = (verdict(losses, total, scale), *[sentence(loss, scale) for loss in losses])
    kept: dict[Rung, tuple[float, ...]] = {rung: tuple(returns[rung]) for rung in RUNGS}
    doubted = doubts(chains[: chains.index(chain)], probe, floor)
    return Ladder(planner, kept, tuple(losses), dict(probe), (*words, *doubted))


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
            f"Return is lost ({of_scale}), but no part certainly loses {MATTERS:.0%} or more. "
            f"First suspect: the {worst.part}; play more episodes."
        )
    worst = max(guilty, key=lambda loss: loss.mean)
    others = [f"the {loss.part} {loss.verb} some too" for loss in guilty if loss is not worst]
    also = "".join(f"; {other}" for other in others)
    return f"The {worst.part} {worst.verb} most of the return: {worst.mean:.1f} of {of_scale}{also}."


def sentence(loss: Loss, scale: Scale) -> str:
    numbers = f"{loss.mean:+.1f} ({loss.low:+.1f} to {loss.high:+.1f}), {scale.share(loss.mean)}"
    if loss.certain:
        return f"The {loss.part} {loss.verb} {numbers}."
    return f"The {loss.part}: {numbers}; cannot be told from zero."


def doubts(dropped: Sequence[Sequence[Loss]], probe: Mapping[str, float], floor: Floor | None) -> list[str]:
    """dropped: chains that did not hold."""
    broken = {loss.part: loss for chain in dropped for loss in chain[1:] if loss.negative}
    said = [
        f"The planner does worse with the probe in place of the {loss.part} ({loss.mean:+.1f}, {loss.low:+.1f} to "
        f"{loss.high:+.1f}), so that rung is no truth and is left out."
        for loss in broken.values()
    ]
    said += [
        f"The probe for the {name} explains only {r2:.0%} of the variance, so what hangs on it says little."
        for name, r2 in probe.items()
        if r2 < TRUSTED
    ]
    if floor is None:
        said.append("No reference of this task is stored, so the planner's own loss is not known.")
    return said
