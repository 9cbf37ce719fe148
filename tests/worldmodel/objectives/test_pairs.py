import pytest
import torch

from worldmodel.distributions import Normal
from worldmodel.interface import State
from worldmodel.objectives.pairs import led_to, normals, standard
from worldmodel.sequence_vae import Posterior


def test_pairs_by_hand() -> None:
    is_first = torch.tensor([[0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]).bool()
    assert led_to(is_first, 0).int().tolist() == [[0, 1, 1, 0, 1, 1], [0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]]
    assert led_to(is_first, 1).int().tolist() == [[0, 0, 1, 0, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]]
    assert led_to(is_first, 3).int().tolist() == [[0, 0, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]]


def test_latents_that_are_not_normal_are_refused() -> None:
    one = torch.zeros(2, 3, 4)
    normal, other = Normal(one, one + 1), (one,)
    state = State(one, one)
    assert normals(Posterior(state, normal, normal)) == (normal, normal)
    with pytest.raises(TypeError, match="need normal latents; tuple came"):
        normals(Posterior(state, other, normal))


def test_standard_is_standard() -> None:
    found = standard(Normal(torch.full((2, 3), 5.0), torch.full((2, 3), 0.1)))
    assert torch.equal(found.mean, torch.zeros(2, 3))
    assert torch.equal(found.std, torch.ones(2, 3))
