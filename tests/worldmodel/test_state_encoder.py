import torch

from tests.worldmodel.examples import normal
from worldmodel.encoders.state import StateEncoder
from worldmodel.images import PatchEncoder

CONTEXT, STATISTICS, HIDDEN = 7, 6, 5


def encoder() -> StateEncoder:
    torch.manual_seed(0)
    return StateEncoder(PatchEncoder(16, 3, 6, 8, 2), 6, CONTEXT, STATISTICS, HIDDEN).double()


def test_the_statistics_are_their_equation_written_out() -> None:
    """W_s elu(W_f f(o) + b_f + W_c c) + b_s."""
    one, image, context = encoder(), normal(4, 3, 16, 16), 3 * normal(4, CONTEXT, seed=2)
    x = one.image(image) @ one.from_frame.weight.T + one.from_frame.bias + context @ one.from_context.weight.T
    expected = torch.where(x > 0, x, x.exp() - 1) @ one.stats.weight.T + one.stats.bias
    found = one.statistics(context, one.features(image))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_it_remembers_nothing_beyond_the_state() -> None:
    memory, features = normal(4, 0), normal(4, HIDDEN)
    assert encoder().remember(memory, normal(4, 2), features) == (memory, features)
    assert StateEncoder.memory == 0


def test_frames_have_any_leading_axes() -> None:
    one, image = encoder(), normal(2, 3, 3, 16, 16)
    together = one.features(image)
    assert together.shape == (2, 3, HIDDEN)
    torch.testing.assert_close(together[1, 2], one.features(image[1, 2]), rtol=1e-12, atol=1e-12)
