"""Several networks agree where there were data, on noise as well, and nowhere else."""

import torch
from torch import Tensor
from torch.nn import functional

from worldmodel.disagreement import Ensemble, spread
from worldmodel.interface import Sizes, State

SIZES = Sizes(deter=2, stoch=3, action=1, memory=0, observation=(1, 1, 1))


def random_windows(seed: int, centre: float = 0.0) -> tuple[State, Tensor]:
    """States ``[8, 12, latent]`` around ``centre``, each with the action that led to it."""
    generator = torch.Generator().manual_seed(seed)
    deter, stoch = torch.randn(8, 12, 2, generator=generator), torch.randn(8, 12, 3, generator=generator)
    return State(deter + centre, stoch + centre), torch.rand(8, 12, 1, generator=generator) * 2 - 1


def followed(states: State, actions: Tensor, noise: Tensor) -> State:
    """The same, but stochastic states follow from the row before, with noise ``[8, 12, 3]``."""
    rows = [states.stoch[:, 0]]
    for t in range(1, 12):
        rows.append(0.5 * rows[-1] + actions[:, t] + states.deter[:, t - 1, :1] + noise[:, t])
    return State(states.deter, torch.stack(rows, 1))


def test_each_member_is_a_network_of_its_own() -> None:
    torch.manual_seed(0)
    ensemble, (states, actions) = Ensemble(SIZES, members=3, hidden=4), random_windows(0)
    expected = ensemble(states, actions)
    assert expected.shape == (3, 8, 12, 3)
    inputs = torch.cat([states.deter, states.stoch, actions], -1)
    for member in range(3):
        hidden = functional.elu(functional.linear(inputs, ensemble.first[member].T, ensemble.first_bias[member, 0]))
        alone = functional.linear(hidden, ensemble.last[member].T, ensemble.last_bias[member, 0])
        torch.testing.assert_close(expected[member], alone)
    assert not torch.allclose(expected[0], expected[1], atol=0.1)


def test_nothing_is_learned_across_the_start_of_an_episode() -> None:
    torch.manual_seed(0)
    ensemble, (states, actions) = Ensemble(SIZES), random_windows(0)
    follows = torch.ones(8, 12, dtype=torch.bool)
    follows[:, 5] = False
    loss = ensemble.loss(states, actions, follows)
    far = states.stoch.clone()
    far[:, 5] += 100.0  # only as what comes after row 4; it is what row 6 comes after, too
    follows[:, 6] = False
    without = ensemble.loss(states, actions, follows)
    torch.testing.assert_close(ensemble.loss(State(states.deter, far), actions, follows), without)
    assert loss != without


def test_they_agree_where_there_were_data_on_noise_as_well_and_nowhere_else() -> None:
    torch.manual_seed(0)
    ensemble, generator = Ensemble(SIZES, hidden=32), torch.Generator().manual_seed(1)
    optimizer, follows = torch.optim.Adam(ensemble.parameters(), lr=3e-3), torch.ones(8, 12, dtype=torch.bool)
    for update in range(600):
        states, actions = random_windows(update)
        states = followed(states, actions, torch.randn(8, 12, 3, generator=generator))
        loss = ensemble.loss(states, actions, follows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    before, (_, elsewhere) = states.map(lambda x: x[:, :-1]), random_windows(1000, 5.0)
    here = ensemble.surprise(before, actions[:, 1:]).mean()
    assert 0.7 < here < 1.4
    assert ensemble.surprise(states.map(lambda x: x + 5), elsewhere).mean() > 10 * here
    assert spread(ensemble(before, actions[:, 1:])).mean() < 0.1, "the noise has a variance of 1"
    assert loss.item() > 0.7, "which none can foretell"
