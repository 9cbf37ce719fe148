"""One decision of iLQR beside mpc.pytorch: same problem, same number of iterations, one thread.

    pip install --no-deps mpc && OMP_NUM_THREADS=1 pytest benchmarks/test_ilqr.py --benchmark-enable -s

A random two-layer network pushes 8 latents by 1 action within [-1, 1]; 30 steps, quadratic reward, 10 iterations, none
stops early. First both have to reach the same cost. mpc is given as much as it can take, in three ways: plain functions
(as ours: Jacobians and Hessians by automatic differentiation), the cost's Hessian in closed form, and the Jacobians in
closed form too. Its horizon is one step longer, for it pays the start and ours the arrival. Times are of the processor,
taken in turns, medians; what counts are ratios within one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Generator, Tensor, nn
from turns import cpu_seconds

from planners.ilqr import ILQR
from planners.objective import ones_like, zeros_like
from worldmodel.interface import Linearization, Sizes, State
from worldmodel.linearize import linearize_by_autodiff

LATENT, ACTION, HIDDEN, HORIZON, ITERATIONS = 8, 1, 32, 30, 10
PENALTY = 0.1  # of the squared action
TARGET_AGAINST_MPC, TARGET_BATCH = 20, 5
Decide = Callable[[], Tensor]  # returns costs [batch]


class Network(nn.Module):
    """``z' = 0.9 z + W2 tanh(W1 (z, a))``: for ours a world model, for mpc a module with the Jacobians it asks for."""

    sizes = Sizes(0, LATENT, ACTION, 0, (1, 1, 1))

    def __init__(self) -> None:
        super().__init__()
        generator = Generator().manual_seed(0)
        self.inner = torch.randn(HIDDEN, LATENT + ACTION, generator=generator) * 0.5
        self.outer = torch.randn(LATENT, HIDDEN, generator=generator) * 0.01

    def forward(self, z: Tensor, a: Tensor) -> Tensor:
        return 0.9 * z + torch.tanh(torch.cat([z, a], dim=-1) @ self.inner.T) @ self.outer.T

    def grad_input(self, z: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        slope = 1 - torch.tanh(torch.cat([z, a], dim=-1) @ self.inner.T).square()
        jacobian = self.outer * slope[:, None, :] @ self.inner
        return jacobian[..., :LATENT] + 0.9 * torch.eye(LATENT), jacobian[..., LATENT:]

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        return State(state.deter, self(state.stoch, action))

    def rollout(self, state: State, actions: Tensor, noise: Tensor | None = None) -> State:
        steps = []
        for action in actions.unbind(-2):
            state = self.step(state, action)
            steps.append(state)
        return State(*(torch.stack(parts, dim=-2) for parts in zip(*steps, strict=True)))

    def linearize(self, states: State, actions: Tensor) -> Linearization:
        return linearize_by_autodiff(self.step, states, actions)


@dataclass(frozen=True)
class Rest:
    """Closeness to the origin by little action."""

    def reward(self, states: State, actions: Tensor) -> Tensor:
        return -(states.stoch.square().sum(-1) + PENALTY * actions.square().sum(-1)) / 2

    def continues(self, states: State) -> Tensor:
        return ones_like(states)

    def terminal(self, state: State) -> Tensor:
        return zeros_like(state)


class Cost(nn.Module):
    """The same for mpc, ``[batch, latent + action] -> [batch]``."""

    def forward(self, tau: Tensor) -> Tensor:
        return (tau[:, :LATENT].square().sum(-1) + PENALTY * tau[:, LATENT:].square().sum(-1)) / 2


def starts(batch: int) -> Tensor:
    return torch.randn(batch, LATENT, generator=Generator().manual_seed(1))


def ours(batch: int, iterations: int = ITERATIONS) -> Decide:
    z = starts(batch)
    state = State(z[:, :0], z)
    planner = ILQR(Network(), Rest(), Generator(), horizon=HORIZON, iterations=iterations, tolerance=0.0)
    return lambda: z.square().sum(-1) / 2 - planner.plan(state)[1].value


def theirs(given: str, batch: int, iterations: int = ITERATIONS) -> Decide:
    peer = pytest.importorskip("mpc.mpc", reason="mpc is not installed: pip install --no-deps mpc")
    weights = torch.diag(torch.tensor([1.0] * LATENT + [PENALTY] * ACTION)).expand(HORIZON + 1, batch, -1, -1)
    quadratic = peer.QuadCost(weights.contiguous(), torch.zeros(HORIZON + 1, batch, LATENT + ACTION))
    method = peer.GradMethods.ANALYTIC if given == "jacobians" else peer.GradMethods.AUTO_DIFF
    never_early = {"eps": 0.0, "not_improved_lim": iterations, "exit_unconverged": False, "detach_unconverged": False}
    solver = peer.MPC(
        LATENT, ACTION, HORIZON + 1, u_lower=-1.0, u_upper=1.0, lqr_iter=iterations, n_batch=batch, grad_method=method,
        backprop=False, verbose=-1, **never_early,
    )  # fmt: skip
    network, z = Network(), starts(batch)
    cost = Cost() if given == "functions" else quadratic
    return lambda: solver(z, cost, network)[2]


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    print("\n| batch | mpc is given | its CPU ms | ours, CPU ms | ratio |\n|---|---|---|---|---|", *rows, sep="\n")


@pytest.mark.benchmark(timer=time.process_time, min_rounds=3)
@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("given", ["functions", "cost", "jacobians"])
def test_beside_mpc(benchmark: BenchmarkFixture, table: list[str], given: str, batch: int) -> None:
    torch.testing.assert_close(ours(batch, 30)(), theirs(given, batch, 30)(), rtol=1e-3, atol=1e-3)
    seconds, own = cpu_seconds(theirs(given, batch), ours(batch), rounds=9 if benchmark.enabled else 1)
    benchmark.extra_info |= {"cpu_seconds_of_mpc": seconds, "ratio_to_ours": seconds / own}
    benchmark.extra_info |= {"target": TARGET_AGAINST_MPC} if batch == 1 else {}
    table.append(f"| {batch} | {given} | {1e3 * seconds:.1f} | {1e3 * own:.1f} | {seconds / own:.1f} |")
    benchmark(ours(batch))


@pytest.mark.benchmark(timer=time.process_time, min_rounds=3)
def test_a_batch_costs_little_more_than_one(benchmark: BenchmarkFixture) -> None:
    many, one = cpu_seconds(ours(64), ours(1), rounds=15 if benchmark.enabled else 1)
    benchmark.extra_info |= {"ratio_of_batch_64_to_1": many / one, "target": TARGET_BATCH}
    print(f"\nbatch of 64: {1e3 * many:.1f} CPU ms, {many / one:.2f} times a batch of 1")
    benchmark(ours(64))
