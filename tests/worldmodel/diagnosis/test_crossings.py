"""Episodes that contain another's start are found; collisions and swings are not taken for such."""

import pytest

from worldmodel.diagnosis.crossings import crossings
from worldmodel.episode import Episode

from .planted import joined, without_state

Healthy = dict[str, list[Episode]]
TASKS = ["pendulum", "cartpole", "planar"]


def mixed(episodes: list[Episode]) -> list[Episode]:
    """Most of them run into the next."""
    pairs = len(episodes) // 2 - 1
    return [joined(*episodes[2 * i : 2 * i + 2]) for i in range(pairs)] + episodes[2 * pairs :]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("known", [True, False])
def test_whole_episodes_are_healthy(healthy: Healthy, task: str, known: bool) -> None:
    episodes = healthy[task] if known else without_state(healthy[task])
    assert crossings(episodes).verdict == "healthy"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("known", [True, False])
def test_a_start_inside_an_episode_is_found(healthy: Healthy, task: str, known: bool) -> None:
    episodes = mixed(healthy[task] if known else without_state(healthy[task]))
    found = crossings(episodes)
    assert found.verdict == "fault", found
    assert "is_first" in found.what
    assert f"row {healthy[task][0].rows} of episode" in found.evidence


def test_too_little_data_is_not_judged(healthy: Healthy) -> None:
    assert crossings(healthy["planar"][:2]).verdict == "unclear"
