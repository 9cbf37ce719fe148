"""Steps of filtered episodes: none crosses an end, and what is earned on the way is added up by hand."""

import pytest
import torch

from planners.actor_critic.filtered_episodes import FilteredEpisodes, draw, join, one_episode
from worldmodel.interface import State


def episode(rows: int, first: float, terminated: bool) -> FilteredEpisodes:
    """Row t is ``first + t``, in all that it holds."""
    number = first + torch.arange(float(rows))
    ends = torch.zeros(rows, dtype=torch.bool)
    ends[-1] = terminated
    return one_episode(State(number[:, None], 2 * number[:, None]), number[:, None], number, ends)


@pytest.mark.parametrize("steps", [1, 3])
def test_steps_by_hand(steps: int) -> None:
    episodes, generator = join([episode(5, 10, True), episode(3, 20, False)]), torch.Generator().manual_seed(0)
    drawn = draw(episodes, 400, steps, 0.5, generator)
    assert set(drawn.before.deter[:, 0].tolist()) == {10, 11, 12, 13, 20, 21}
    torch.testing.assert_close(drawn.before.stoch, 2 * drawn.before.deter)
    torch.testing.assert_close(drawn.action, drawn.before.deter + 1)
    for i, first in enumerate(drawn.before.deter[:, 0].tolist()):
        last = 14 if first < 20 else 22
        length = min(steps, int(last - first))
        assert drawn.after.deter[i, 0] == first + length
        assert drawn.reward[i] == sum((first + k) * 0.5 ** (k - 1) for k in range(1, length + 1))
        assert drawn.carry[i] == (0 if first + length == 14 else 0.5**length)


def test_the_same_generator_draws_the_same() -> None:
    episodes = join([episode(5, 10, True)])
    one, other = (draw(episodes, 7, 2, 0.9, torch.Generator().manual_seed(1)) for _ in range(2))
    torch.testing.assert_close(one.before.deter, other.before.deter)


def test_an_episode_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two rows"):
        draw(episode(1, 0, False), 4, 1, 0.9, torch.Generator())
