"""Encoders alone: whole windows against one row at a time, how far back each sees, and what it refuses."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.worldmodel.examples import normal
from worldmodel.encoders.frame import FrameEncoder
from worldmodel.encoders.recurrent import RecurrentEncoder
from worldmodel.encoders.transformer import TransformerEncoder

FEATURES, ACTION, STATISTICS, HIDDEN, TIME = 5, 2, 4, 6, 9

ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "frame": lambda: FrameEncoder(nn.Identity(), FEATURES, STATISTICS, HIDDEN),
    "stack of 3": lambda: FrameEncoder(nn.Identity(), FEATURES, STATISTICS, HIDDEN, stack=3),
    "recurrent": lambda: RecurrentEncoder(nn.Identity(), FEATURES, STATISTICS, ACTION, HIDDEN),
    "transformer": lambda: transformer(),
    "transformer, one layer": lambda: transformer(layers=1),
    "transformer, long window": lambda: transformer(window=20),
}
SEES_BACK = {"frame": 0, "stack of 3": 2, "transformer, one layer": 2, "transformer": 4}  # layers * (window - 1)

every_encoder = pytest.mark.parametrize("name", ENCODERS)


def transformer(layers: int = 2, heads: int = 2, window: int = 3, hidden: int = HIDDEN) -> TransformerEncoder:
    return TransformerEncoder(nn.Identity(), FEATURES, STATISTICS, ACTION, hidden, layers, heads, window)


def encoder(name: str) -> nn.Module:
    torch.manual_seed(0)
    return ENCODERS[name]().double()


def row_by_row(one: nn.Module, features: Tensor, action: Tensor, is_first: Tensor) -> Tensor:
    memory, rows = features.new_zeros(len(features), one.memory), []
    for t in range(features.shape[1]):
        memory, seen = one.remember(memory * ~is_first[:, t, None], action[:, t], features[:, t])
        assert memory.shape == (len(features), one.memory)
        rows.append(seen)
    return torch.stack(rows, 1)


@every_encoder
def test_a_window_is_its_rows_one_by_one(name: str) -> None:
    """Also where episodes start inside it, in other rows of other sequences."""
    one, features, action = encoder(name), normal(3, TIME, FEATURES), normal(3, TIME, ACTION, seed=2)
    is_first = torch.zeros(3, TIME, dtype=torch.bool)
    is_first[0, 4] = is_first[1, 0] = is_first[1, 1] = is_first[1, 7] = True
    found, expected = one.watch(features, action, is_first), row_by_row(one, features, action, is_first)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
    statistics = one.statistics(normal(3, TIME, 7), found)
    assert statistics.shape == (3, TIME, STATISTICS)


@every_encoder
def test_how_far_back_it_sees(name: str) -> None:
    """A frame shows in its own row and in as many rows after it as the encoder looks back, or in all of them."""
    one, features, action = encoder(name), normal(1, TIME, FEATURES), normal(1, TIME, ACTION, seed=2)
    other, nowhere = features.clone(), torch.zeros(1, TIME, dtype=torch.bool)
    other[:, 2] += 1
    moved = (one.watch(features, action, nowhere) - one.watch(other, action, nowhere)).abs().amax((0, 2)) > 1e-12
    last = min(TIME - 1, 2 + SEES_BACK.get(name, TIME))
    assert moved.nonzero().flatten().tolist() == list(range(2, last + 1))


@every_encoder
def test_the_gradient_through_a_window_reaches_every_parameter(name: str) -> None:
    one, nowhere = encoder(name), torch.zeros(2, TIME, dtype=torch.bool)
    seen = one.watch(normal(2, TIME, FEATURES), normal(2, TIME, ACTION, seed=2), nowhere)
    one.statistics(seen, seen).square().sum().backward()
    for parameter_name, parameter in one.named_parameters():
        unused = name == "transformer, long window" and parameter_name.endswith("lags")  # lags beyond the rows
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.any(0 if unused else -1).any(), parameter_name
        assert unused or (parameter.grad != 0).all(), parameter_name


def test_a_stack_is_newest_first_and_empty_before_the_start() -> None:
    one, features = encoder("stack of 3"), normal(1, 4, FEATURES)
    is_first = torch.tensor([[False, False, True, False]])
    found, nothing = one.watch(features, normal(1, 4, ACTION), is_first)[0], torch.zeros(FEATURES)
    first, second, third, fourth = features[0]
    for row, stack in enumerate(
        [(first, nothing, nothing), (second, first, nothing), (third, nothing, nothing), (fourth, third, nothing)]
    ):
        assert torch.equal(found[row], torch.cat([part.double() for part in stack])), row


def test_filtering_reads_no_frame_again() -> None:
    """The cache alone: other features in the past change nothing that a later step computes from the same memory."""
    one, features, action = encoder("transformer"), normal(2, 3, FEATURES), normal(2, 3, ACTION, seed=2)
    memory = normal(2, one.memory)  # of any past
    one.image.register_forward_hook(lambda *_: pytest.fail("a frame was encoded"))
    memory, seen = one.remember(memory, action[:, 0], features[:, 0])
    assert memory.shape == (2, 2 * (1 + 2 * 2 * HIDDEN))
    assert seen.shape == (2, HIDDEN)


def test_an_empty_slot_is_not_attended_to() -> None:
    """Whatever stands in a slot without its flag."""
    one, features, action = encoder("transformer"), normal(2, FEATURES), normal(2, ACTION, seed=2)
    rubbish = normal(2, 2, one.slot)
    rubbish[..., 0] = 0
    expected = one.remember(torch.zeros(2, one.memory).double(), action, features)[1]
    assert torch.equal(one.remember(rubbish.flatten(1), action, features)[1], expected)


def test_attention_is_that_of_torch() -> None:
    layer, x = encoder("transformer").layers[0], normal(2, 5, HIDDEN)
    found = layer(x, torch.zeros(5, 5, dtype=torch.long), torch.ones(5, 5).tril() > 0)[0]
    heads = [part.unflatten(-1, (2, -1)).transpose(1, 2) for part in layer.qkv(layer.norm(x)).chunk(3, -1)]
    attended = nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
    expected = x + layer.out(attended.transpose(1, 2).flatten(-2))
    expected = expected + layer.net(layer.norm_net(expected))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame; stack=0 came"):
        FrameEncoder(nn.Identity(), FEATURES, STATISTICS, HIDDEN, stack=0)
    with pytest.raises(ValueError, match=r"hidden=6 and heads=4 came\. Give hidden=8"):
        transformer(heads=4)
    with pytest.raises(ValueError, match="window of 2 rows; 2, 2 and 1 came"):
        transformer(window=1)
