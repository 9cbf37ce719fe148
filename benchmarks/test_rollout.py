"""Roll-outs of the RSSM's prior: the fused kernels beside the reference, compiled or in a CUDA graph, and torch.mm.

    OMP_NUM_THREADS=1 pytest benchmarks/test_rollout.py --benchmark-enable \\
        --benchmark-json=benchmarks/results/rollout.json

On the GPU if there is one, else on one core; what the device cannot run is absent. First every implementation has to be
right. Each of its rounds follows one round of the reference and one of torch.mm (the gates' product), and what
counts are the ratios of the medians: ``mm_ratio``, of torch.mm's operations per second, and ``eager_ratio``, how many
times as fast as the reference. Times are of the processor, or of CUDA events.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from rollout_baselines import Arguments, States, implementation
from torch import nn

from worldmodel.kernels.rssm_rollout import RSSMWeights
from worldmodel.kernels.rssm_rollout.weights import RolloutSizes

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAMES = {
    "cpu": ["reference", "compiled", "cpu"],
    "cuda": ["reference", "compiled", "graph", "compiled-graph", "triton", "triton-tf32"],
}
BOUND = {"cpu": 1e-5, "triton": 2e-2, "triton-tf32": 3e-3}
HORIZON, ROUNDS, WARMUP = 12, 25, 3
MM_OPERATIONS = 2e8  # so that one timing of torch.mm is long against the clock


class Case(NamedTuple):
    size: str
    sizes: RolloutSizes
    candidates: int

    def __str__(self) -> str:
        return f"{self.size}-{self.candidates}x{HORIZON}"


PLANET = RolloutSizes(deter=200, stoch=30, action=6, hidden=200, prior=200)
SMALL = RolloutSizes(deter=64, stoch=16, action=2, hidden=64, prior=64)
CASES = [Case("small", SMALL, 64), Case("planet", PLANET, 32), Case("planet", PLANET, 1000)]
if DEVICE == "cuda":
    CASES.append(Case("planet", PLANET, 16384))


def seconds() -> float:
    """The processor's time, or the GPU's own clock."""
    if DEVICE == "cpu":
        return time.process_time()
    first, event = first_event(), torch.cuda.Event(enable_timing=True)
    event.record()
    event.synchronize()
    return first.elapsed_time(event) / 1e3


@functools.cache
def first_event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    event.synchronize()
    return event


pytestmark = [
    pytest.mark.benchmark(timer=seconds),
    pytest.mark.filterwarnings("default"),  # torch.compile's own
]


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def arguments(case: Case) -> Arguments:
    """One start state for all candidates, as a planner's first iteration has it; the mean, as planners take it."""
    torch.manual_seed(0)
    sizes = case.sizes
    inputs, gru = nn.Linear(sizes.stoch + sizes.action, sizes.hidden), nn.GRUCell(sizes.hidden, sizes.deter)
    prior, stats = nn.Linear(sizes.deter, sizes.prior), nn.Linear(sizes.prior, 2 * sizes.stoch)
    tensors = [inputs.weight, inputs.bias, gru.weight_ih, gru.weight_hh, gru.bias_ih, gru.bias_hh]
    tensors += [prior.weight, prior.bias, stats.weight, stats.bias]
    weights = RSSMWeights(*(tensor.detach().to(DEVICE) for tensor in tensors))
    deter, stoch = torch.randn(1, sizes.deter).tanh().to(DEVICE), torch.randn(1, sizes.stoch).to(DEVICE)
    return weights, deter, stoch, (torch.rand(case.candidates, HORIZON, sizes.action) * 2 - 1).to(DEVICE), None


def error(states: States, chosen: Arguments) -> float:
    """Largest error against float64, relative to the largest value."""
    weights, *inputs = chosen
    doubles = [None if tensor is None else tensor.double() for tensor in inputs]
    exact = implementation("reference", (RSSMWeights(*(weight.double() for weight in weights)), *doubles))()
    return max(((a.double() - b).abs().max() / b.abs().max()).item() for a, b in zip(states, exact, strict=True))


def gates_product(case: Case) -> tuple[Callable[[], None], float]:
    """torch.mm of the gates, repeated, and its operations."""
    n, k, m = case.candidates, case.sizes.hidden, 3 * case.sizes.deter
    a, b = torch.randn(n, k, device=DEVICE), torch.randn(m, k, device=DEVICE).t()
    out = torch.empty(n, m, device=DEVICE)
    repeats = max(1, round(MM_OPERATIONS / (2 * n * k * m)))

    def run() -> None:
        for _ in range(repeats):
            torch.mm(a, b, out=out)

    return run, 2.0 * n * k * m * repeats


def timed(run: Callable[[], object], times: list[float]) -> None:
    start = seconds()
    run()
    times.append(seconds() - start)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    head = "| size | implementation | ms | GFLOP/s | of torch.mm's rate | × eager |"
    print("", head, "|---" * 6 + "|", *rows, sep="\n")


@pytest.mark.parametrize("name", NAMES[DEVICE])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rollout(benchmark: BenchmarkFixture, table: list[str], case: Case, name: str) -> None:
    chosen = arguments(case)
    run, eager = implementation(name, chosen), implementation("reference", chosen)
    assert error(run(), chosen) < BOUND.get(name, 1e-5)
    product, product_operations = gates_product(case)
    product_times: list[float] = []
    eager_times: list[float] = []

    def take_turns() -> None:
        timed(product, product_times)
        timed(eager, eager_times)

    benchmark.group = str(case)
    benchmark.pedantic(run, setup=take_turns, rounds=ROUNDS, warmup_rounds=WARMUP)
    if benchmark.stats is None:  # under --benchmark-disable
        return
    median = benchmark.stats.stats.median
    rate = case.sizes.flops(sampled=False) * case.candidates * HORIZON / median
    benchmark.extra_info |= {
        "implementation": name,
        "candidates": case.candidates,
        "horizon": HORIZON,
        "gflops": round(rate / 1e9, 1),
        "mm_ratio": round(rate / (product_operations / statistics.median(product_times)), 3),
        "eager_ratio": round(statistics.median(eager_times) / median, 3),
        "size": case.size,
        "device": torch.cuda.get_device_name() if DEVICE == "cuda" else "one core",
        "torch": torch.__version__,
    }
    ratios = [f"{benchmark.extra_info[key]:.2f}" for key in ("mm_ratio", "eager_ratio")]
    table.append(f"| {' | '.join([str(case), name, f'{1e3 * median:.3f}', f'{rate / 1e9:.0f}', *ratios])} |")
