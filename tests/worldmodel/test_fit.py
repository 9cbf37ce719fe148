import copy
import math

import pytest
import torch
from torch import Tensor, nn

from tests.worldmodel.examples import cut, normal, small_model, starting_at, windows
from worldmodel.fit import NonFiniteLoss, update
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

TIME = 6


def model_and_optimizer(rate: float = 1e-3) -> tuple[SequenceVAE, torch.optim.Optimizer]:
    model = small_model(dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.div_(3)  # as a model is built
    return model, torch.optim.Adam(model.parameters(), rate)


def data() -> tuple[Batch, Tensor]:
    return starting_at(windows(4, TIME, dtype=torch.float32), 3, 1), normal(4, TIME, 3, dtype=torch.float32)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def one_update(model: SequenceVAE, optimizer: torch.optim.Optimizer, batch: Batch) -> dict[str, Tensor]:
    return update(model, optimizer, batch, data()[1], offset=1, clip=100.0).losses


def test_updates_on_one_batch_lower_its_loss() -> None:
    """The pictures are noise, of which little can be learnt in a few updates; the rewards are learnt by heart."""
    model, optimizer = model_and_optimizer(1e-2)
    losses = [one_update(model, optimizer, data()[0]) for _ in range(30)]
    assert losses[-1]["loss"] < 0.9 * losses[0]["loss"]
    assert losses[-1]["reward"] < 0.3 * losses[0]["reward"]


def test_the_same_inputs_give_the_same_weights() -> None:
    found = []
    for _ in range(2):
        model, optimizer = model_and_optimizer()
        for _ in range(3):
            one_update(model, optimizer, data()[0])
        found.append(weights(model))
    assert torch.equal(*found)


def test_what_is_returned_are_means_over_valid_rows() -> None:
    """... and the loss is the sum of all terms but the true KL, which is only logged."""
    batch, noise = data()
    valid = batch.valid.clone()
    valid[0, 4:] = False
    batch = batch._replace(valid=valid)
    model, optimizer = model_and_optimizer()
    terms = model.losses(batch, noise, 1)
    found = update(model, optimizer, batch, noise, 1, 100.0).losses
    assert set(found) == {*terms, "loss", "gradient_norm"}
    for name, term in terms.items():
        torch.testing.assert_close(found[name], term[valid].mean())
    total = sum(found[name] for name in terms if name != "kl")
    torch.testing.assert_close(found["loss"], total)
    assert not any(value.requires_grad for value in found.values())


def test_padding_does_not_change_the_update() -> None:
    """A sequence without a valid row beside the others changes nothing."""
    batch, noise = data()
    empty = batch._replace(valid=batch.valid & (torch.arange(4) < 3)[:, None])
    found = []
    for one, draw in ((empty, noise), (cut(batch, slice(3)), noise[:3])):
        model, optimizer = model_and_optimizer()
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
        update(model, optimizer, one, draw, 1, 100.0)
        found.append(weights(model))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_clipped_and_its_norm_reported() -> None:
    """With plain gradient descent the step is the clip times the rate; the norm is that before clipping."""
    batch, noise = data()
    model, _ = model_and_optimizer()
    before = weights(model)
    found = update(model, torch.optim.SGD(model.parameters(), 0.1), batch, noise, 1, clip=0.5).losses
    assert found["gradient_norm"] > 0.5
    assert math.isclose((weights(model) - before).norm().item(), 0.5 * 0.1, rel_tol=1e-3)


def test_gradients_of_the_last_update_are_forgotten() -> None:
    """Two updates are one update each, not one and their sum."""
    batch, noise = data()
    model, _ = model_and_optimizer()
    found = update(model, torch.optim.SGD(model.parameters(), 0.0), batch, noise, 1, 1e9).losses
    again = update(model, torch.optim.SGD(model.parameters(), 0.0), batch, noise, 1, 1e9).losses
    torch.testing.assert_close(found["gradient_norm"], again["gradient_norm"])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_changes_nothing(value: float) -> None:
    batch, _ = data()
    model, optimizer = model_and_optimizer()
    one_update(model, optimizer, batch)
    before, state = weights(model), copy.deepcopy(optimizer.state_dict())
    reward = batch.reward.clone()
    reward[2, 4] = value
    with pytest.raises(
        NonFiniteLoss, match=r"must be finite; got .*'reward': '(nan|inf)'.*gradient norm nan"
    ) as raised:
        one_update(model, optimizer, batch._replace(reward=reward))
    assert "last good update" in str(raised.value)
    assert torch.equal(weights(model), before)
    for key, one in optimizer.state_dict()["state"].items():
        assert all(torch.equal(one[name], state["state"][key][name]) for name in one)
    expected, other = model_and_optimizer()
    for _ in range(2):
        one_update(expected, other, batch)
    one_update(model, optimizer, batch)
    assert torch.equal(weights(model), weights(expected)), "the update after it is not as if it had never been"


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    """The loss is finite here, its gradient is not."""
    model, optimizer = model_and_optimizer()
    parameter = next(model.heads.parameters())
    parameter.register_hook(lambda gradient: gradient * math.inf)
    before = weights(model)
    with pytest.raises(NonFiniteLoss, match=r"gradient norm (nan|inf)"):
        one_update(model, optimizer, data()[0])
    assert torch.equal(weights(model), before)
