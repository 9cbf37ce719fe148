"""What every sequence VAE does, whatever its parts: run over all of `tests.worldmodel.examples.CONFIGS`."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.worldmodel import properties
from tests.worldmodel.examples import (
    ACTION,
    DYNAMICS,
    ENCODERS,
    FILTERING,
    INDEPENDENT,
    NAMES,
    NOT_POSES,
    SIZE,
    cut,
    normal,
    paired_model,
    small_model,
    starting_at,
    windows,
)
from worldmodel import checkpoint
from worldmodel.distributions import CategoricalLatent, NormalLatent
from worldmodel.interface import Belief, KnowsState, State, WorldModel
from worldmodel.linearize import linearize_by_autodiff
from worldmodel.replay import Batch
from worldmodel.sequence_vae import SequenceVAE

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
TIME = 6

every_model = pytest.mark.parametrize("name", NAMES)
filtering_models = pytest.mark.parametrize("name", FILTERING)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
with_and_without_noise = pytest.mark.parametrize("noisy", [False, True])


def losses(model: SequenceVAE, batch: Batch, offset: int = 1) -> dict[str, Tensor]:
    return model.losses(batch, normal(*batch.reward.shape, model.sizes.stoch, dtype=batch.action.dtype), offset)


@every_model
@every_dtype
def test_shapes_and_types(name: str, dtype: torch.dtype) -> None:
    model, batch = small_model(name, dtype), windows(3, TIME, dtype=dtype)
    sizes = model.sizes
    assert isinstance(model, WorldModel)
    assert not isinstance(model, KnowsState)
    assert (sizes.action, sizes.observation) == (ACTION, (SIZE, SIZE, 3))
    belief = model.initial(3)
    for _ in range(2):
        assert belief.state.deter.shape == (3, sizes.deter)
        assert belief.state.stoch.shape == (3, sizes.stoch)
        assert belief.memory.shape == (3, sizes.memory)
        assert {part.dtype for part in (*belief.state, belief.memory)} == {dtype}
        belief = model.filter(belief, batch.action[:, 0], batch.observation[:, 0])
    state = belief.state.map(lambda x: x[:, None].expand(3, 4, -1))
    rolled = model.rollout(state, normal(3, 4, 5, ACTION, dtype=dtype))
    assert rolled.deter.shape == (3, 4, 5, sizes.deter)
    assert rolled.stoch.shape == (3, 4, 5, sizes.stoch)
    image, reward, goes_on = model.decode(rolled), model.reward(rolled), model.continues(rolled)
    assert image.shape == (3, 4, 5, 3, SIZE, SIZE)
    assert reward.shape == goes_on.shape == (3, 4, 5)
    assert {x.dtype for x in (*rolled, image, reward, goes_on)} == {dtype}
    for probability in (image, goes_on):
        assert 0 <= probability.min() <= probability.max() <= 1


@every_model
@every_dtype
def test_losses_are_one_number_per_row(name: str, dtype: torch.dtype) -> None:
    terms = losses(small_model(name, dtype), windows(3, TIME, dtype=dtype))
    assert {"image", "reward", "continuation", "kl"} < set(terms)
    for term in terms.values():
        assert term.shape == (3, TIME)
        assert term.dtype == dtype
        assert term.isfinite().all()


@every_model
def test_single_precision_is_close_to_double(name: str) -> None:
    single, double = small_model(name, torch.float32), small_model(name, torch.float64)
    found = losses(single, windows(2, TIME, dtype=torch.float32))
    for key, expected in losses(double, windows(2, TIME)).items():
        torch.testing.assert_close(found[key].double(), expected, rtol=1e-3, atol=1e-3)


@every_model
@with_and_without_noise
def test_a_rollout_is_repeated_steps(name: str, noisy: bool) -> None:
    properties.check_rollout_is_repeated_steps(small_model(name), noisy)


@every_model
@with_and_without_noise
def test_filtering_row_by_row_is_observing(name: str, noisy: bool) -> None:
    properties.check_filter_is_observe(small_model(name), windows(3, TIME), noisy)


@filtering_models
def test_the_belief_remembers(name: str) -> None:
    properties.check_the_belief_remembers(small_model(name))


@filtering_models
def test_row_t_holds_the_action_that_led_to_it(name: str) -> None:
    properties.check_row_t_holds_the_action_that_led_to_it(small_model(name))


@pytest.mark.parametrize("name", INDEPENDENT)
def test_an_independent_encoder_believes_its_frames_alone(name: str) -> None:
    """... whatever was done, and whatever was seen before them; but the prior knows the action."""
    model, batch = small_model(name), windows(2, TIME)
    changed, stack = batch.observation.clone(), model.encoder.stack  # type: ignore[attr-defined]
    changed[:, : TIME - stack] = 255 - changed[:, : TIME - stack]
    other = batch._replace(observation=changed, action=-batch.action)
    before, after = model.observe(batch), model.observe(other)
    properties.assert_states_equal(before.states.map(lambda x: x[:, -1]), after.states.map(lambda x: x[:, -1]))
    assert (before.states.stoch - after.states.stoch)[:, -2].abs().max() > 1e-6
    (mean, _), (other_mean, _) = before.prior, after.prior
    assert (mean[:, -1] - other_mean[:, -1]).abs().min() > 1e-6


@every_model
def test_open_loop_is_repeated_steps(name: str) -> None:
    properties.check_open_loop_is_repeated_steps(small_model(name), offset=1, steps=3)


@every_model
def test_linearize_is_the_slope_of_the_mean_step(name: str) -> None:
    model = small_model(name)
    states, actions = properties.start(model, 2, 3), normal(2, 3, ACTION)
    found, expected = model.linearize(states, actions), linearize_by_autodiff(model.step, states, actions)
    torch.testing.assert_close(found.A, expected.A, **TIGHT)
    torch.testing.assert_close(found.B, expected.B, **TIGHT)


@every_model
def test_noise_moves_the_stochastic_part_alone(name: str) -> None:
    """... of the state arrived at, unless there is no noise; and zero noise is the mean or mode."""
    model, state, action = small_model(name), properties.start(small_model(name), 4), normal(4, ACTION)
    mean, sampled = model.step(state, action), model.step(state, action, normal(4, model.sizes.stoch))
    assert torch.equal(mean.deter, sampled.deter)
    moved = (mean.stoch - sampled.stoch).abs()
    if isinstance(model.dynamics.latent, NormalLatent):
        assert moved.min() > 1e-6
    else:
        assert moved.any() == isinstance(model.dynamics.latent, CategoricalLatent)
    properties.assert_states_equal(model.step(state, action, torch.zeros_like(state.stoch)), mean)


@every_model
def test_the_gradient_reaches_every_number(name: str) -> None:
    check_the_gradient_reaches_every_number(small_model(name))


def check_the_gradient_reaches_every_number(model: SequenceVAE) -> None:
    terms = losses(model, windows(4, TIME))
    sum(term.sum() for key, term in terms.items() if key != "kl").backward()  # type: ignore[union-attr]
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        dead = (parameter.grad == 0).flatten(1) if parameter.dim() > 1 else (parameter.grad == 0)[:, None]
        assert not dead.all(1).any(), f"{parameter_name}: rows {dead.all(1).nonzero().flatten().tolist()}"


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_every_dynamics_goes_with_every_encoder(dynamics: str, encoder: str) -> None:
    if encoder == "pose" and dynamics in NOT_POSES:
        with pytest.raises(ValueError, match=f"a latent of dynamics={dynamics} does not hold"):
            paired_model(dynamics, encoder)
        return
    model = paired_model(dynamics, encoder)
    properties.check_filter_is_observe(model, windows(2, TIME), True)
    properties.check_rollout_is_repeated_steps(model, True)
    check_the_gradient_reaches_every_number(model)
    for term in losses(paired_model(dynamics, encoder, torch.float32), windows(2, 3, dtype=torch.float32)).values():
        assert term.dtype == torch.float32
        assert term.isfinite().all()


@every_model
def test_sequences_of_a_batch_are_alone(name: str) -> None:
    """A batch of two is two batches of one, in the losses and in the gradient."""
    model, batch = small_model(name), starting_at(windows(2, TIME), 3, 1)
    noise = normal(2, TIME, model.sizes.stoch)
    together = model.losses(batch, noise, 1)
    alone = [model.losses(cut(batch, slice(i, i + 1)), noise[i : i + 1], 1) for i in range(2)]
    for key, term in together.items():
        torch.testing.assert_close(term, torch.cat([one[key] for one in alone]), rtol=1e-9, atol=1e-9)


@every_model
def test_steps_of_a_batch_are_alone(name: str) -> None:
    model, batch = small_model(name), windows(2, 1)
    belief = Belief(properties.start(model, 2), normal(2, model.sizes.memory))
    both = model.filter(belief, batch.action[:, 0], batch.observation[:, 0]).state
    one = Belief(belief.state.map(lambda x: x[1:]), belief.memory[1:])
    properties.assert_states_equal(
        both.map(lambda x: x[1:]), model.filter(one, batch.action[1:, 0], batch.observation[1:, 0]).state
    )


@filtering_models
@with_and_without_noise
def test_a_start_in_the_middle_makes_two_windows_of_one(name: str, noisy: bool) -> None:
    properties.check_a_start_in_the_middle_makes_two_windows(small_model(name), noisy)


@every_model
def test_losses_after_a_start_know_nothing_of_before(name: str) -> None:
    """Whatever comes before a start, the losses of the rows after it and their gradient are the same."""
    model, row = small_model(name), 4
    batch, other = starting_at(windows(2, 9), row), starting_at(windows(2, 9, seed=5), row)
    mixed = Batch(*(torch.cat([b[:, :row], a[:, row:]], 1) for a, b in zip(batch, other, strict=True)))
    noise = normal(2, 9, model.sizes.stoch)
    one, two = model.losses(batch, noise, 1), model.losses(mixed, noise, 1)
    for key in one:
        torch.testing.assert_close(one[key][:, row:], two[key][:, row:], **TIGHT)
    assert (one["image"][:, :row] != two["image"][:, :row]).all()


@every_model
def test_rows_that_are_not_valid_count_for_nothing(name: str) -> None:
    """Neither in the losses nor in the gradient, whatever they hold; the row before them loses nothing."""
    rows, batch, other = 4, windows(2, TIME), windows(2, TIME, seed=5)
    valid = batch.valid.clone()
    valid[:, rows:] = False
    padded = [
        Batch(*(torch.cat([a[:, :rows], b[:, rows:]], 1) for a, b in zip(batch, tail, strict=True)))._replace(
            valid=valid
        )
        for tail in (batch, other._replace(reward=1e3 * other.reward))
    ]
    gradients = []
    for one in padded:
        model = small_model(name)
        terms = losses(model, one)
        assert not any(term[:, rows:].any() for term in terms.values())
        sum(term.sum() for term in terms.values()).backward()  # type: ignore[union-attr]
        gradients.append([parameter.grad for parameter in model.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, **TIGHT)
    whole = losses(small_model(name), batch)
    for key, term in losses(small_model(name), padded[0]).items():
        torch.testing.assert_close(term[:, :rows], whole[key][:, :rows], **TIGHT)


@every_model
def test_an_action_before_the_window_or_the_episode_is_ignored(name: str) -> None:
    model, batch = small_model(name), starting_at(windows(3, TIME), 3)
    action = batch.action.clone()
    action[:, [0, 3]] = 9
    one, two = losses(model, batch), losses(model, batch._replace(action=action))
    for key in one:
        torch.testing.assert_close(one[key], two[key], rtol=0, atol=0)


@every_model
def test_nothing_is_remembered_nor_changed(name: str) -> None:
    """Two calls give the same, and all that was passed in is as it was."""
    model, batch = small_model(name), starting_at(windows(2, TIME), 3)
    belief, noise = Belief(properties.start(model, 2), normal(2, model.sizes.memory)), normal(2, model.sizes.stoch)
    actions, before = batch.action[:, :5], copy.deepcopy((batch, belief, noise))
    answers = []
    for _ in range(2):
        filtered = model.filter(belief, batch.action[:, 0], batch.observation[:, 0], noise)
        rolled = model.rollout(belief.state, actions)
        linear = model.linearize(rolled, actions)
        seen = (model.decode(rolled), model.reward(rolled), model.continues(rolled))
        terms = losses(model, batch).values()
        answers.append([*filtered.state, filtered.memory, *model.step(belief.state, actions[:, 0], noise), *rolled])
        answers[-1] += [*linear, *seen, *terms]
    assert all(torch.equal(one, two) for one, two in zip(*answers, strict=True))
    after = (batch, belief, noise)
    assert all(torch.equal(a, b) for a, b in zip(flat(before), flat(after), strict=True))


def flat(value: tuple | Tensor) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [x for part in value for x in flat(part)]


@every_model
def test_states_are_values(name: str) -> None:
    belief = small_model(name).initial(1)
    with pytest.raises(AttributeError):
        belief.state.deter = torch.ones(1)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        belief.memory = torch.ones(1)  # type: ignore[misc]
    assert isinstance(belief.state, State)


@every_model
def test_a_checkpoint_gives_the_same_model(name: str, tmp_path: Path) -> None:
    model, other, batch = small_model(name), small_model(name), windows(2, TIME)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.normal_()
    checkpoint.save(tmp_path / "checkpoint", model, {}, {}, {}, {})
    checkpoint.load_weights(tmp_path / "checkpoint", other)
    one, two = losses(model, batch), losses(other, batch)
    assert all(torch.equal(one[key], two[key]) for key in one)
    state, actions = properties.start(model, 2), normal(2, 4, ACTION)
    assert torch.equal(model.rollout(state, actions).vector, other.rollout(state, actions).vector)


@every_model
@pytest.mark.parametrize("shape", [(SIZE, SIZE * 2, 3), (SIZE, SIZE, 1), (2 * SIZE, 2 * SIZE, 3)])
def test_images_of_another_size_are_refused(name: str, shape: tuple[int, int, int]) -> None:
    model, batch = small_model(name), windows(1, 2)
    images = torch.zeros(1, 2, *shape, dtype=torch.uint8)
    rule = rf"size the model was built for.*\({SIZE}, {SIZE}, 3\); got \({', '.join(map(str, shape))}\)"
    with pytest.raises(ValueError, match=rule):
        model.filter(model.initial(1), batch.action[:, 0], images[:, 0])
    for call in (model.observe, model.losses):
        with pytest.raises(ValueError, match=rule):
            call(batch._replace(observation=images))


@every_model
def test_images_that_are_not_bytes_are_refused(name: str) -> None:
    model, batch = small_model(name), windows(1, 2)
    images = batch.observation.float()
    with pytest.raises(TypeError, match=r"must be uint8.*got dtype torch\.float32"):
        model.filter(model.initial(1), batch.action[:, 0], images[:, 0])
    for call in (model.observe, model.losses):
        with pytest.raises(TypeError, match=r"must be uint8.*got dtype torch\.float32"):
            call(batch._replace(observation=images))
