import torch
from torch import Tensor

from tests.worldmodel.examples import normal
from worldmodel.distributions import NormalLatent
from worldmodel.dynamics.ssm import SSM
from worldmodel.interface import State

STOCH, ACTION, HIDDEN = 3, 2, 5


def elu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, x.exp() - 1)


def test_a_step_is_the_equations_written_out() -> None:
    """c = elu(W_2 elu(W_1 [z, a] + b_1) + b_2); mean, raw = W_3 c + b_3; z' = mean + (softplus(raw) + min_std) e."""
    torch.manual_seed(0)
    dynamics = SSM(NormalLatent(STOCH, min_std=0.02), ACTION, HIDDEN).double()
    z, action, noise = normal(6, STOCH), normal(6, ACTION, seed=2), normal(6, STOCH, seed=3)
    x = torch.cat([z, action], 1)
    for layer in (dynamics.inputs, dynamics.hidden):
        x = elu(x @ layer.weight.T + layer.bias)
    stats = x @ dynamics.stats.weight.T + dynamics.stats.bias
    mean, std = stats[:, :STOCH], (1 + stats[:, STOCH:].exp()).log() + 0.02
    state = State(normal(6, 0), z)
    torch.testing.assert_close(dynamics.step(state, action, noise).stoch, mean + std * noise)
    torch.testing.assert_close(dynamics.step(state, action).stoch, mean)
    torch.testing.assert_close(dynamics.advance(state, action)[1], x)
