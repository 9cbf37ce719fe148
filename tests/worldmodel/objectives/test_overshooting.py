import pytest
import torch
from torch import Tensor

from tests.worldmodel.examples import NAMES, normal, small_model, starting_at, windows
from worldmodel.distributions import kl
from worldmodel.interface import State
from worldmodel.objectives.overshooting import overshooting_kl
from worldmodel.objectives.pairs import rows
from worldmodel.replay import Batch
from worldmodel.sequence_vae import Posterior, SequenceVAE, Window

TIME = 6


def inferred(name: str, noisy: bool) -> tuple[SequenceVAE, Window, Posterior]:
    model, batch = small_model(name), starting_at(windows(3, TIME), 3, 1)
    noise = normal(3, TIME, model.sizes.stoch) if noisy else None
    return model, Window(batch, torch.zeros(0), noise, 0), model.observe(batch, noise)


def naive(model: SequenceVAE, batch: Batch, noise: Tensor | None, found: Posterior, steps: int) -> Tensor:
    """Row by row, distance by distance: step from the filtered state with the noise of the rows passed."""
    total = torch.zeros_like(batch.reward)
    for i in range(len(total)):
        for row in range(TIME):
            for distance in range(2, steps + 1):
                start = row - distance
                if start < 0 or batch.is_first[i, start + 1 : row + 1].any():
                    continue
                state = State(found.states.deter[i, start], found.states.stoch[i, start])
                for t in range(start + 1, row + 1):
                    deter, context = model.dynamics.advance(state, batch.action[i, t])
                    prior = model.dynamics.prior(context)
                    state = model.dynamics.complete(deter, context, prior, None if noise is None else noise[i, t])
                posterior = type(found.posterior)(*(x[i, row] for x in found.posterior))
                total[i, row] += kl(posterior, prior) / steps
    return total


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 3, 20])
@torch.no_grad()
def test_it_is_that_of_a_plain_loop(name: str, steps: int) -> None:
    for noisy in (False, True):
        model, window, found = inferred(name, noisy)
        expected = naive(model, window.batch, window.noise, found, steps)
        torch.testing.assert_close(overshooting_kl(model, window, found, steps), expected, rtol=1e-9, atol=1e-9)


def test_it_trains_the_prior_and_leaves_the_target_alone() -> None:
    model, window, found = inferred(NAMES[0], True)
    overshooting_kl(model, window, found, 3)[:, 2:].sum().backward()
    assert all(parameter.grad.any() for parameter in model.dynamics.parameters())
    target = rows(found.posterior, slice(2, None))
    fixed = target.detach()
    assert all(torch.equal(one, other) and not other.requires_grad for one, other in zip(target, fixed, strict=True))
