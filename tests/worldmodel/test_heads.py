import pytest
import torch
from torch import nn

from tests.worldmodel.examples import normal
from worldmodel.heads import MOST_STEPS_GO_ON, Heads
from worldmodel.networks import mlp


def heads() -> Heads:
    torch.manual_seed(0)
    return Heads(latent=5, hidden=8).double()


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_one_number_per_state(leading: tuple[int, ...]) -> None:
    latent = normal(*leading, 5)
    assert heads().reward(latent).shape == leading
    assert heads().continuation(latent).shape == leading


def test_an_untrained_head_expects_episodes_to_go_on() -> None:
    probability = torch.sigmoid(heads().continuation(normal(100, 5)))
    assert probability.min() > 0.6
    assert abs(torch.logit(probability.mean()) - MOST_STEPS_GO_ON) < 0.7


def test_reward_and_continuation_share_no_parameter() -> None:
    h = heads()
    latent = normal(4, 5)
    by_reward = torch.autograd.grad(h.reward(latent).sum(), list(h.parameters()), allow_unused=True)
    by_continuation = torch.autograd.grad(h.continuation(latent).sum(), list(h.parameters()), allow_unused=True)
    assert all((one is None) != (other is None) for one, other in zip(by_reward, by_continuation, strict=True))


def test_the_perceptron_written_out() -> None:
    """Linear, ELU, linear, ELU, linear, with nothing after the last."""
    torch.manual_seed(0)
    net = mlp(3, [4, 6], 2).double()
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(3, 4), (4, 6), (6, 2)]
    x = expected = 3 * normal(10, 3)
    for layer in layers[:-1]:
        expected = expected @ layer.weight.T + layer.bias
        expected = torch.where(expected > 0, expected, expected.exp() - 1)
    expected = expected @ layers[-1].weight.T + layers[-1].bias
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)


def test_without_hidden_layers_it_is_one_linear_layer() -> None:
    assert [type(layer) for layer in mlp(3, [], 2)] == [nn.Linear]
