import pytest
import torch
from torch import nn

from worldmodel.averaging import WeightAverage


def parameter(value: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor([value, 2 * value]))


def test_the_first_updates_are_averaged_evenly_and_forget_the_initial_weights() -> None:
    weight = parameter(100.0)
    average = WeightAverage([weight], decay=0.9)
    for value in (1.0, 2.0, 6.0):
        weight.data.fill_(value)
        average.update()
    average.swap()
    assert weight.tolist() == pytest.approx([3.0, 3.0])


def test_later_the_decay_holds() -> None:
    weight = parameter(0.0)
    average = WeightAverage([weight], decay=0.5)
    expected = 0.0
    for step, value in enumerate((4.0, 8.0, 2.0, 6.0)):
        weight.data.fill_(value)
        average.update()
        keep = min(0.5, step / (step + 1))
        expected = keep * expected + (1 - keep) * value
    average.swap()
    assert weight.tolist() == pytest.approx([expected, expected])


def test_swapping_twice_changes_nothing_and_the_state_round_trips() -> None:
    weight = parameter(3.0)
    average = WeightAverage([weight], decay=0.9)
    average.update()
    weight.data.fill_(5.0)
    average.swap()
    average.swap()
    assert weight.tolist() == [5.0, 5.0]
    other_weight = parameter(0.0)
    other = WeightAverage([other_weight], decay=0.9)
    other.load_state_dict(average.state_dict())
    other.swap()
    assert other_weight.tolist() == [3.0, 6.0]
    assert other.updates == 1


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\); got 1"):
        WeightAverage([parameter(0.0)], decay=1)
    average = WeightAverage([parameter(0.0)], decay=0.5)
    with pytest.raises(ValueError, match="shapes"):
        average.load_state_dict({"updates": 1, "averages": [torch.zeros(3)]})
