"""The reference against torch's own GRU cell, its derivatives, and what the public function refuses."""

from __future__ import annotations

import pytest
import torch

from tests.worldmodel.kernels.problems import ODD, PLANET, TINY, error, make, make_weights, step_by_step
from worldmodel.kernels.rssm_rollout import RSSMWeights, rssm_rollout

# PyTorch's own forward mode warns of PyTorch's own torch.jit.script.
SCRIPT_WARNING = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("sizes", [TINY, ODD, PLANET], ids=["tiny", "odd", "planet"])
def test_equals_single_steps(sizes, sampled):
    problem = make(sizes, (2, 3), horizon=4, sampled=sampled)
    result = rssm_rollout(*problem, impl="reference")
    assert error(result, step_by_step(problem)) < 1e-6


def test_float64_is_exact_and_bfloat16_runs():
    problem = make(ODD, (5,), horizon=6, sampled=True)
    expected = step_by_step(problem)
    assert error(rssm_rollout(*problem.to(torch.float64)), expected) < 1e-14
    coarse = rssm_rollout(*problem.to(torch.bfloat16))
    assert coarse[0].dtype == torch.bfloat16
    assert error(coarse, expected) < 0.1


def test_without_leading_axes():
    problem = make(ODD, (), horizon=3, sampled=True)
    result = rssm_rollout(*problem)
    assert error(result, step_by_step(problem)) < 1e-6


def test_gradients_of_everything_by_finite_differences():
    problem = make(TINY._replace(deter=3, hidden=2), (2,), horizon=3, sampled=True).to(torch.float64)
    tensors = [t.requires_grad_() for t in (*problem.weights, *problem[1:])]
    assert torch.autograd.gradcheck(lambda *t: rssm_rollout(RSSMWeights(*t[:10]), *t[10:]), tensors)


@SCRIPT_WARNING
def test_jacobians_by_torch_func_agree():
    problem = make(ODD, (), horizon=3, sampled=False).to(torch.float64)

    def last(actions):
        return rssm_rollout(problem.weights, problem.deter, problem.stoch, actions)[1][-1]

    forward, backward = torch.func.jacfwd(last)(problem.actions), torch.func.jacrev(last)(problem.actions)
    assert forward.abs().max() > 0
    torch.testing.assert_close(forward, backward)


@SCRIPT_WARNING
def test_dispatch_leaves_float32_under_transforms_to_the_reference():
    problem = make(ODD, (), horizon=3, sampled=False)

    def last(actions):
        return rssm_rollout(problem.weights, problem.deter, problem.stoch, actions)[1][-1]

    assert torch.func.jacfwd(last)(problem.actions).abs().max() > 0
    direction = torch.ones_like(problem.actions)
    _, along = torch.autograd.functional.jvp(last, problem.actions, direction)
    assert along.abs().max() > 0


def test_torch_compile_takes_it_whole():
    problem = make(ODD, (3,), horizon=2, sampled=True)
    traced = torch.compile(rssm_rollout, backend="eager", fullgraph=True)
    assert error(traced(*problem), step_by_step(problem)) < 1e-6


def test_gradients_flow_by_default():
    problem = make(ODD, (3,), horizon=3, sampled=False)
    actions = problem.actions.requires_grad_()
    rssm_rollout(problem.weights, problem.deter, problem.stoch, actions)[0].sum().backward()
    assert actions.grad.abs().sum() > 0


def test_last_actions_change_the_last_state_only():
    problem = make(ODD, (2,), horizon=4, sampled=False)
    before = rssm_rollout(*problem)
    changed = problem.actions.clone()
    changed[:, -1] += 1
    after = rssm_rollout(*problem._replace(actions=changed))
    assert torch.equal(before[0][:, :-1], after[0][:, :-1])
    assert not torch.allclose(before[0][:, -1], after[0][:, -1])


BAD = {
    "deter must have 37 columns": {"deter": torch.zeros(2, 36)},
    "stoch must have 11 columns": {"stoch": torch.zeros(2, 12)},
    "actions must have 3 columns": {"actions": torch.zeros(2, 4, 2)},
    "horizon of at least 1": {"actions": torch.zeros(2, 0, 3)},
    r"noise must be \[..., 4, 11\]": {"noise": torch.zeros(2, 5, 11)},
}


@pytest.mark.parametrize("message", BAD)
def test_refuses_shapes_that_do_not_fit(message):
    with pytest.raises(ValueError, match=message):
        rssm_rollout(*make(ODD, (2,), 4, False)._replace(**BAD[message]))


def test_refuses_weights_that_do_not_fit_each_other():
    weights = make_weights(ODD)._replace(gru_bias_hh=torch.zeros(5))
    with pytest.raises(ValueError, match=r"gru_bias_hh must be \[111\]"):
        rssm_rollout(*make(ODD, (2,), 4, False)._replace(weights=weights))
