"""Each rule of an episode, broken alone, gets an error that names it."""

import numpy as np
import pytest

from worldmodel.episode import Episode, check


def episode(rows: int = 6) -> Episode:
    rng = np.random.default_rng(0)
    action = rng.uniform(-1, 1, (rows, 2)).astype(np.float32)
    reward = rng.normal(size=rows).astype(np.float32)
    action[0], reward[0] = 0, 0
    row = np.arange(rows)
    return Episode(
        observation=rng.integers(0, 256, (rows, 4, 4, 3), dtype=np.uint8),
        action=action,
        reward=reward,
        terminated=row == rows - 1,
        is_first=row == 0,
        state=rng.normal(size=(rows, 3)),
    )


def changed(field: str, index: object, value: object) -> Episode:
    good = episode()
    getattr(good, field)[index] = value
    return good


GOOD = episode()
FAULTS = {
    "observation must be a NumPy array of uint8; float64 came": GOOD._replace(observation=GOOD.observation / 255),
    "reward must be a NumPy array of float32; list came": GOOD._replace(reward=GOOD.reward.tolist()),
    r"action must have the axes \[rows, action\]; the shape \(6,\) came": GOOD._replace(action=GOOD.action[:, 0]),
    "same number of rows; .*'action': 5.*Store the reset as row 0": GOOD._replace(action=GOOD.action[1:]),
    "at least 2 rows": Episode(*(array[:1] for array in GOOD)),
    r"reward must be finite; row 3 holds nan \(1 such": changed("reward", 3, np.nan),
    "state must be finite; row 2 holds inf": changed("state", (2, 1), np.inf),
    r"in \[-1, 1\]; row 4 holds \[1\.5,": changed("action", (4, 0), 1.5),
    "shifted by one": changed("action", (0, 1), 0.5),
    r"Row 0 is the reset .* reward 2\.0 came": changed("reward", 0, 2.0),
    r"is_first .* true in rows \[0, 3\]": changed("is_first", 3, True),
    r"is_first .* true in rows \[\]": changed("is_first", 0, False),
    r"last row \(5\) only; it is true in rows \[2\]": changed("terminated", 2, True),
}


def test_a_good_episode_passes_with_and_without_termination_and_state() -> None:
    check(episode())
    check(changed("terminated", -1, False))
    check(GOOD._replace(state=np.zeros((6, 0))))
    assert GOOD.rows == 6


@pytest.mark.parametrize("rule", FAULTS)
def test_each_fault_is_named(rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check(FAULTS[rule])
