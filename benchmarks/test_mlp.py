"""The reward head of a planner's candidates: the perceptron kernel beside the same layers in torch, and torch.mm.

    OMP_NUM_THREADS=1 pytest benchmarks/test_mlp.py --benchmark-enable --benchmark-json=benchmarks/results/mlp.json

Deter and stoch of all candidates and steps, two hidden layers, one output, one core. Each round follows one of torch's
layers and one of torch.mm (the second layer's product); ``mm_ratio`` and ``eager_ratio`` are ratios of medians of the
processor's time. First the numbers have to agree.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from worldmodel.kernels.mlp import mlp
from worldmodel.networks import mlp as layers

HORIZON, ROUNDS, WARMUP = 12, 25, 3
CASES = {"small-64": (64, 16, 64, 64), "planet-32": (200, 30, 200, 32), "planet-1000": (200, 30, 200, 1000)}

pytestmark = pytest.mark.benchmark(timer=time.process_time)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def timed(run: Callable[[], object], times: list[float]) -> None:
    start = time.process_time()
    run()
    times.append(time.process_time() - start)


@pytest.mark.parametrize("case", CASES)
def test_reward_head(benchmark: BenchmarkFixture, case: str) -> None:
    deter, stoch, hidden, candidates = CASES[case]
    torch.manual_seed(0)
    head, rows = layers(deter + stoch, [hidden, hidden], 1), candidates * HORIZON
    tensors, parts = list(head.parameters()), [torch.randn(rows, deter).tanh(), torch.randn(rows, stoch)]
    torch.testing.assert_close(mlp(tensors, parts, impl="cpu"), head(torch.cat(parts, -1)), rtol=1e-5, atol=1e-6)

    a, b, out = torch.randn(rows, hidden), torch.randn(hidden, hidden).t(), torch.empty(rows, hidden)
    repeats = max(1, round(1e8 / (rows * hidden * hidden)))
    eager_times: list[float] = []
    product_times: list[float] = []

    def take_turns() -> None:
        timed(lambda: head(torch.cat(parts, -1)), eager_times)
        timed(lambda: [torch.mm(a, b, out=out) for _ in range(repeats)], product_times)

    benchmark.pedantic(lambda: mlp(tensors, parts, impl="cpu"), setup=take_turns, rounds=ROUNDS, warmup_rounds=WARMUP)
    if benchmark.stats is None:  # under --benchmark-disable
        return
    median = benchmark.stats.stats.median
    rate = 2 * rows * (hidden * (deter + stoch) + hidden * hidden + hidden) / median
    product_rate = 2 * rows * hidden * hidden * repeats / statistics.median(product_times)
    benchmark.extra_info |= {
        "gflops": round(rate / 1e9, 1),
        "mm_ratio": round(rate / product_rate, 3),
        "eager_ratio": round(statistics.median(eager_times) / median, 3),
        "torch": torch.__version__,
    }
