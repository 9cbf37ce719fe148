"""Random numbers: training and evaluation never start an episode from the same seed, purposes have streams apart."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.seeds import HALF, MOST_EPISODES, evaluation_seed, numpy_generator, torch_generator, training_seed

SEEDS, ROUNDS = st.integers(0, 2**40), st.integers(0, 10**6)


@given(SEEDS, ROUNDS, st.integers(0, MOST_EPISODES - 1), SEEDS, st.integers(0, MOST_EPISODES - 1))
def test_no_evaluation_episode_starts_like_a_training_episode(
    seed: int, number: int, episode: int, evaluation: int, other: int
) -> None:
    assert 0 <= training_seed(seed, number) + episode < HALF <= evaluation_seed(evaluation) + other < 2**32


@given(SEEDS, ROUNDS)
def test_seeds_are_functions_of_their_arguments(seed: int, number: int) -> None:
    assert training_seed(seed, number) == training_seed(seed, number)
    assert training_seed(seed, number) != training_seed(seed, number + 1)


def test_each_purpose_has_a_stream_of_its_own() -> None:
    purposes = [("noise",), ("weights",), ("collect", 1), ("collect", 2), ("explore",), ("act",)]
    torches = [float(torch.rand(1, generator=torch_generator(0, *purpose))) for purpose in purposes]
    numpys = [float(numpy_generator(0, *purpose).random()) for purpose in purposes]
    assert len({*torches, *numpys}) == 2 * len(purposes)


def test_the_same_purpose_gives_the_same_numbers() -> None:
    draws = [torch.rand(4, generator=torch_generator(7, "noise")).tolist() for _ in range(2)]
    assert draws[0] == draws[1]
    np.testing.assert_array_equal(numpy_generator(7, "a").random(4), numpy_generator(7, "a").random(4))
