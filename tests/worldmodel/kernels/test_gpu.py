"""Everything again on a real device. Skipped where there is none."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason='triton comes with pip install ".[dev]" on Linux')

from tests.worldmodel.kernels.problems import ODD, PLANET, ROUND, TINY, Problem, error, make, step_by_step
from worldmodel.kernels.rssm_rollout import RSSMWeights, rssm_rollout
from worldmodel.kernels.rssm_rollout import triton as launcher

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: make bench-gpu on a machine with one"),
]
BOUND = {"triton": 2e-2, "triton-tf32": 3e-3}
SIZES = {"tiny": TINY, "odd": ODD, "round": ROUND, "planet": PLANET}


def on_gpu(problem: Problem) -> Problem:
    weights = RSSMWeights(*(weight.cuda() for weight in problem.weights))
    return Problem(weights, *(None if tensor is None else tensor.cuda() for tensor in problem[1:]))


def on_cpu(result):
    return tuple(states.cpu() for states in result)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("lead", [(1,), (33,), (4, 250)])
@pytest.mark.parametrize("impl", BOUND)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_matches_float64(sizes, impl, lead, sampled):
    problem = make(sizes, lead, horizon=6, sampled=sampled, reach=0.5)
    assert error(on_cpu(rssm_rollout(*on_gpu(problem), impl=impl)), step_by_step(problem)) < BOUND[impl]


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
@pytest.mark.parametrize("tiles", [launcher.NARROW, launcher.WIDE], ids=["narrow", "wide"])
def test_both_tilings(tiles, precision):
    problem = make(PLANET, (200,), horizon=12, sampled=True, reach=0.5)
    with torch.no_grad():
        result = launcher.rollout(*on_gpu(problem), precision=precision, tiles=tiles[precision])
    assert error(on_cpu(result), step_by_step(problem)) < 2e-2


def test_the_same_bits_every_time():
    """A race would show as a difference between runs."""
    problem = on_gpu(make(PLANET, (1000,), horizon=12, sampled=True))
    first = rssm_rollout(*problem, impl="triton")
    for _ in range(50):
        assert all(torch.equal(a, b) for a, b in zip(first, rssm_rollout(*problem, impl="triton"), strict=True))


@pytest.mark.parametrize(("impl", "overlap"), [("triton", 95), ("triton-tf32", 99)])
def test_elites(impl, overlap):
    problem = make(PLANET, (1000,), horizon=12, sampled=False, reach=0.5)
    direction = torch.randn(PLANET.deter, generator=torch.Generator().manual_seed(1)).double()

    def elites(deters):
        return set((deters.double() @ direction).sum(-1).topk(100).indices.tolist())

    result = on_cpu(rssm_rollout(*on_gpu(problem), impl=impl))
    assert len(elites(result[0]) & elites(step_by_step(problem)[0])) >= overlap


def test_is_what_a_planner_gets():
    problem = on_gpu(make(PLANET, (64,), horizon=3, sampled=True))
    assert all(map(torch.equal, rssm_rollout(*problem), rssm_rollout(*problem, impl="triton")))


def test_inside_a_cuda_graph():
    problem = on_gpu(make(PLANET, (1000,), horizon=12, sampled=False))
    warm = rssm_rollout(*problem, impl="triton")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = rssm_rollout(*problem, impl="triton")
    problem.actions.mul_(0.5)
    graph.replay()
    assert torch.equal(captured[0], rssm_rollout(*problem, impl="triton")[0])
    assert not torch.equal(captured[0], warm[0])
