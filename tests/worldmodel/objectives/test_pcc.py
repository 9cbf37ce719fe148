import torch
from torch import Tensor

from tests.worldmodel.examples import normal, small_model, starting_at, windows
from worldmodel.distributions import kl
from worldmodel.interface import State
from worldmodel.objectives.pcc import PCC
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

EXACT = {"rtol": 1e-9, "atol": 1e-9}
NAME, TIME = "locally linear, stack of frames", 6


def observed(objective: PCC) -> tuple[SequenceVAE, Batch, Tensor]:
    model, batch = small_model(NAME), starting_at(windows(3, TIME), 3, 1)
    model.objective = objective
    return model, batch, normal(3, TIME, model.sizes.stoch)


def test_the_consistency_is_the_kl_of_bound_and_weight() -> None:
    model, batch, noise = observed(PCC(beta=0.2, consistency=4.0, incomplete=1))
    found, inferred = model.losses(batch, noise), model.observe(batch, noise)
    nats, pair = kl(inferred.posterior, inferred.prior), torch.zeros(3, TIME, dtype=torch.bool)
    pair[:, 2:] = True
    pair[1, 3] = False
    torch.testing.assert_close(found["consistency"], 5 * nats * pair, **EXACT)
    torch.testing.assert_close(found["kl"], nats * pair, **EXACT)
    mean, std = inferred.posterior
    anchor = 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).sum(-1)
    torch.testing.assert_close(found["standard_kl"], 0.2 * anchor, **EXACT)


def test_the_curvature_is_the_error_of_the_linearization() -> None:
    """At each row's own start, with the model's closed-form Jacobians."""
    radius = 0.2
    model, batch, noise = observed(PCC(curvature=3.0, curvature_radius=radius))
    found, z = model.losses(batch, noise)["curvature"], model.observe(batch, noise).states
    for i, t in [(0, 1), (1, 2), (2, TIME - 1)]:
        before, u = State(z.deter[i, t - 1], z.stoch[i, t - 1]), batch.action[i, t]
        eta, xi = radius * noise[i, t], radius * noise[i, (t + 1) % TIME, : len(u)]
        A, B = model.linearize(before, u)
        here, there = model.step(before, u).stoch, model.step(State(before.deter, before.stoch + eta), u + xi).stoch
        expected = 3 * (there - here - A @ eta - B @ xi).square().sum()
        torch.testing.assert_close(found[i, t], expected, **EXACT)
    assert found[1, 3] == 0, "no pair ends where an episode starts"
    assert not found[:, 0].any()


def test_without_noise_there_is_nothing_to_move_by() -> None:
    model, batch, _ = observed(PCC())
    assert "curvature" not in model.losses(batch)
