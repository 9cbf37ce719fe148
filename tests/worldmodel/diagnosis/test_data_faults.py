"""Faults that can be counted: endings, pixels, ranges, repeats. Each is planted, and none is seen where none is."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from worldmodel.diagnosis.action_range import action_range
from worldmodel.diagnosis.duplicates import duplicates
from worldmodel.diagnosis.endings import endings
from worldmodel.diagnosis.finding import Finding
from worldmodel.diagnosis.pixels import pixels
from worldmodel.episode import Episode

from .planted import ended, repainted, repeated

Healthy = dict[str, list[Episode]]


@pytest.mark.parametrize("task", ["pendulum", "cartpole", "planar"])
@pytest.mark.parametrize("question", [action_range, duplicates, endings, pixels])
def test_healthy_data_is_healthy(healthy: Healthy, task: str, question: Callable[[Sequence[Episode]], Finding]) -> None:
    found = question(healthy[task])
    assert found.verdict == "healthy", found
    assert not found.what


def test_a_time_limit_stored_as_a_termination(healthy: Healthy) -> None:
    found = endings([ended(episode) for episode in healthy["planar"]])
    assert found.verdict == "fault"
    assert "24 of 24 episodes terminated" in found.evidence


def test_a_few_that_end_together_are_not_judged(healthy: Healthy) -> None:
    assert endings([ended(episode) for episode in healthy["planar"][:3]]).verdict == "unclear"


def test_falling_early_is_no_time_limit(healthy: Healthy) -> None:
    """Most episodes terminate, at lengths of their own; the few of full length were cut by the clock."""
    fallen = [
        ended(Episode(*(field[: 5 + i] for field in episode))) for i, episode in enumerate(healthy["planar"][:20])
    ]
    assert endings(fallen + healthy["planar"][20:]).verdict == "healthy"


PAINT: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "floats cut down": (lambda x: x > 128, "cut down to whole numbers"),
    "a still camera": (lambda x: np.broadcast_to(x[:1, :1, :1], x.shape) * 0 + 90, "No pixel changes"),
    "no light": (lambda x: x // 32, "hardly any contrast"),
    "over-exposed": (lambda x: np.where(np.arange(len(x))[:, None, None, None] % 3 == 0, 255, x), "saturated (255)"),
    "a lens cap": (lambda x: np.where(np.arange(len(x))[:, None, None, None] < 5, 0, x), "black (0)"),
}


@pytest.mark.parametrize("fault", PAINT)
def test_pixels_that_show_nothing(healthy: Healthy, fault: str) -> None:
    paint, words = PAINT[fault]
    found = pixels([repainted(episode, paint(episode.observation)) for episode in healthy["pendulum"]])
    assert found.verdict == "fault", found
    assert words in found.what


def test_the_same_picture_at_rest_is_no_repeat_but_a_picture_twice_is(healthy: Healthy) -> None:
    still = healthy["pendulum"][0]
    rest = repainted(still, np.concatenate([still.observation[:50], np.repeat(still.observation[49:50], 51, axis=0)]))
    assert duplicates([rest]).verdict == "healthy"
    assert "(51% more are at rest)" in duplicates([rest]).evidence
    for times in (2, 4):
        found = duplicates([repeated(episode, times) for episode in healthy["pendulum"]])
        assert found.verdict == "fault"
        assert f"every {times}." in found.evidence
    frozen = repainted(still, np.repeat(still.observation[:1], still.rows, axis=0))
    assert duplicates([frozen]).verdict == "unclear"


def test_an_action_that_never_varies(healthy: Healthy) -> None:
    stuck = [episode._replace(action=episode.action * np.float32([1, 0])) for episode in healthy["planar"]]
    found = action_range(stuck)
    assert found.verdict == "fault"
    assert "dimension 1" in found.what
    small = action_range([episode._replace(action=episode.action / 100) for episode in healthy["planar"]])
    assert small.what.startswith("All actions")
