"""Poses that pictures are painted from: the painter, and what it is learned beside."""

from dataclasses import replace

import pytest
import torch

import envs
from experiments.locally_linear import learn, recipes, see
from experiments.locally_linear.painter import Painter
from experiments.locally_linear.recipes import Seeing
from experiments.locally_linear.transitions import scattered
from experiments.seeds import torch_generator
from worldmodel.objectives.predictive import distance_to_unit

ALONE, FORESEEN = Seeing(120, slowness=0.2), Seeing(2, slowness=0.5, foresight=10.0)


@pytest.fixture(scope="module")
def data():
    return scattered(envs.goal_tasks()["e2c-balance"], 200, seed=0)


@pytest.fixture
def tiny():
    """Small networks that learn nothing but poses and a painter."""
    small = {"updates": 0, "batch": 64, "painting": 1.0, "optimizer": "muon", "seeing": (ALONE,)}
    balance = recipes.RECIPES["balance"]
    return replace(balance, **small, model=replace(balance.model, hidden=8, width=4, spread=5.0))


def frames_of(data):
    return learn.as_float(data.frames[data.shown[:, 0, 0]])[:, None]


def test_squares_count_alike_however_much_they_change():
    """What is not painted at all is all of the variance; the same where a square's pixels change a fifth as much."""
    frames = torch.rand(500, 1, 8, 8, generator=torch_generator(0, "frames"))
    dim = frames.clone()
    dim[..., 4:, 4:] *= 0.6
    errors = []
    for shown in (frames, dim):
        painter = Painter(2, shown, 8, weight=3.0)
        torch.nn.init.zeros_(painter.paint.weight)
        assert painter(torch.zeros(500, 2), shown).item() == pytest.approx(3 * 499 / 500, rel=1e-4)
        with torch.no_grad():
            painter.paint.bias[3] += painter.unit[3]  # one std away from the mean
        errors.append(painter(torch.zeros(500, 2), shown).item())
    assert errors == pytest.approx([3 * (499 / 500 + 1 / 4)] * 2, rel=1e-4)


def test_poses_that_see_alone_have_unit_covariance_and_tell_the_picture(tiny, data):
    """The dynamics learn nothing yet, but become as wide as a decision moves; changes of pose get mean square 1."""
    begun, model = learn.begin(tiny, 0), learn.learn(tiny, data, 0, lambda *_: None)
    shown = frames_of(data)
    assert distance_to_unit(model.encoder.poses(shown)) < 0.1
    painter = learn.beside(tiny, 2, shown, 0)
    unpainted = painter(torch.zeros(200, 2), shown)
    learn.descend(
        tiny, painter.parameters(), 100, lambda *_: None, lambda: {"": painter(model.encoder.poses(shown), shown)}
    )
    assert painter(model.encoder.poses(shown), shown) < 0.5 * unpainted
    for before, after in zip(begun.dynamics.net.parameters(), model.dynamics.net.parameters(), strict=True):
        assert torch.equal(before, after)
    before, after = learn.encoded(model, data).unbind(1)
    torch.testing.assert_close(
        model.dynamics.process_noise.std, (after - before).square().mean(0).sqrt(), rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(before[:, 2:].square().mean(0), torch.ones(2), rtol=0.2, atol=0)


def test_terms_of_seeing_are_those_of_the_latents_one_by_one(tiny, data):
    model, few = learn.begin(tiny, 0), data.only(torch.arange(40))
    painter = learn.beside(tiny, 2, frames_of(data), 0)
    found = see.terms(tiny, FORESEEN, model, painter, few)
    latents = learn.encoded(model, few)
    pose, gain = latents[..., :2], model.encoder.log_gain.exp()
    moved = torch.stack([latents[:, 0, 2:] / gain, latents[:, 1, 2:] / gain])  # up to a decision, and from there on
    torch.testing.assert_close(found["slowness"], 0.5 * moved.square().sum(-1).mean())
    next_pose = model.dynamics._mean(latents[:, 0], few.action)[:, :2]
    torch.testing.assert_close(found["foresight"], 10 * (next_pose - pose[:, 1]).square().sum(-1).mean())
    assert "foresight" not in see.terms(tiny, ALONE, model, painter, few)


@pytest.mark.parametrize("channels", [1, 2])
def test_poses_in_order_are_before_and_after_each_move(channels):
    times = torch.tensor([[0], [1]]) if channels == 1 else torch.tensor([[0, 1], [1, 2]])
    assert see.in_order(times[None, :, :, None]).flatten().tolist() == list(range(channels + 1))


def test_foresight_teaches_the_dynamics_and_the_pose(tiny, data):
    alone = learn.learn(tiny, data, 0, lambda *_: None)
    both = learn.learn(replace(tiny, seeing=(ALONE, FORESEEN)), data, 0, lambda *_: None)
    for part in ("encoder.head.0.weight", "dynamics.net.0.weight"):
        assert (alone.state_dict()[part] != both.state_dict()[part]).any(), part


def test_who_sees_needs_a_painter(tiny, data):
    with pytest.raises(ValueError, match="Give painting a weight"):
        learn.learn(replace(tiny, painting=0.0), data, 0, lambda *_: None)
