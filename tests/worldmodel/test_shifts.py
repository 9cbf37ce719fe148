"""Pictures that the encoder sees shifted, while the decoder is to paint them where they are."""

import numpy as np
import torch

from tests.worldmodel.examples import normal, small_model, starting_at, windows
from tests.worldmodel.test_fit import data, model_and_optimizer, weights
from worldmodel.fit import update
from worldmodel.shifts import shifted

MOST = 3


def pictures() -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(0).integers(0, 256, (20, 4, 9, 11, 2)), dtype=torch.uint8)


def places() -> np.ndarray:
    return np.random.default_rng(5).integers(-MOST, MOST, (2, 20), endpoint=True)


def test_every_window_is_shifted_as_a_whole_and_its_edge_repeated() -> None:
    images = pictures()
    found = shifted(images, MOST, np.random.default_rng(5))
    around = [(0, 0), (MOST, MOST), (MOST, MOST), (0, 0)]
    for window, (down, right) in enumerate(places().T):
        padded = np.pad(images[window].numpy(), around, mode="edge")
        top, left = MOST - down, MOST - right
        assert np.array_equal(found[window].numpy(), padded[:, top : top + 9, left : left + 11])


def test_all_places_are_met_and_the_images_are_left_alone() -> None:
    images = pictures()
    before = images.clone()
    shifted(images, MOST, np.random.default_rng(5))
    assert torch.equal(images, before)
    assert set(places().flatten()) == set(range(-MOST, MOST + 1))


def test_none_is_the_same_pictures() -> None:
    assert torch.equal(shifted(pictures(), 0, np.random.default_rng(5)), pictures())


def test_states_are_of_what_was_seen_and_likelihoods_of_what_was_there() -> None:
    model, batch, noise = small_model(), starting_at(windows(3, 5), 2, 1), normal(3, 5, 3)
    seen = shifted(batch.observation, 2, np.random.default_rng(1))
    assert not torch.equal(seen, batch.observation)
    terms, states = model.losses_and_states(batch, noise, 1, seen)
    told = model.losses_and_states(batch._replace(observation=seen), noise, 1)
    for part, same in zip(states, told[1], strict=True):
        assert torch.equal(part, same)
    assert torch.equal(terms["kl"], told[0]["kl"])
    there = model.image_nll(states.vector, batch.observation.movedim(-1, -3).to(noise.dtype) / 255)
    torch.testing.assert_close(terms["image"], there * batch.valid)
    assert not torch.equal(terms["image"], told[0]["image"])


def test_an_update_that_sees_what_is_there_is_the_plain_one() -> None:
    found = []
    for shown in (None, data()[0].observation, shifted(data()[0].observation, 2, np.random.default_rng(1))):
        model, optimizer = model_and_optimizer()
        update(model, optimizer, *data(), offset=1, clip=100.0, seen=shown)
        found.append(weights(model))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
