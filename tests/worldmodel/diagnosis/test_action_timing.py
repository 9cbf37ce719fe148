"""Actions shifted by one or two rows are found, in which direction, and actions in their place are left alone."""

import pytest

from worldmodel.diagnosis.action_timing import LAGS, action_timing, by_lag, judge
from worldmodel.episode import Episode

from .planted import shifted, without_state

Healthy = dict[str, list[Episode]]


@pytest.mark.parametrize("task", ["pendulum", "cartpole", "planar"])
def test_healthy_actions_are_healthy(healthy: Healthy, task: str) -> None:
    found = action_timing(healthy[task])
    assert found.verdict == "healthy", found
    assert "true state" in found.evidence


@pytest.mark.parametrize(("task", "rows"), [("pendulum", 1), ("cartpole", -1), ("planar", 2)])
def test_shifted_actions_are_found_in_the_true_state(healthy: Healthy, task: str, rows: int) -> None:
    lags = by_lag(shifted(healthy[task], rows))
    assert lags is not None
    assert LAGS[int(lags.gain.argmax())] == rows
    found = judge(lags)
    assert found.verdict == "fault", found
    assert ("earlier" if rows > 0 else "later") in found.advice


@pytest.mark.parametrize("rows", [-1, 0, 1])
def test_shifted_actions_are_found_in_the_frames(healthy: Healthy, rows: int) -> None:
    found = action_timing(shifted(without_state(healthy["planar"]), rows))
    assert found.verdict == ("fault" if rows else "healthy"), found
    assert "the frames" in found.evidence
    assert ("taken-at" in found.advice) == (rows == -1)


def test_actions_of_other_episodes_are_not_judged(healthy: Healthy) -> None:
    """They explain nothing at any lag: nothing can be said of their shift."""
    planar = healthy["planar"]
    strangers = [one._replace(action=other.action) for one, other in zip(planar, planar[1:] + planar[:1], strict=True)]
    assert action_timing(strangers).verdict == "unclear"


def test_too_little_data_is_not_judged(healthy: Healthy) -> None:
    found = action_timing(healthy["planar"][:3])
    assert found.verdict == "unclear"
    assert "fewer than 400 rows" in found.evidence
    tiny = [Episode(*(field[:4] for field in episode)) for episode in healthy["planar"]]
    assert action_timing(tiny).verdict == "unclear"
