"""A decision as a CUDA graph. Without a GPU: that it keeps the rules of one, checked on tensors that have shapes but no
values; every value that Python asks for and every tensor made on the CPU would break a recording.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from planners.cuda_graph import versions
from planners.interface import Plan
from planners.noise import Coloured
from planners.objective import ControlPenalty, LearnedReward, Sum
from planners.sampling import SamplingPlanner, cem, icem, mppi, random_shooting, tdmpc
from tests.planners import toys
from worldmodel.interface import State

FACTORIES = [random_shooting, cem, icem, mppi, tdmpc]
every_factory = pytest.mark.parametrize("factory", FACTORIES)


class Recordable(TorchDispatchMode):
    """Fails where a CUDA graph could not be recorded: an operation with a tensor on the CPU in or out, or one whose
    shape depends on values.
    """

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, found)) if isinstance(x, Tensor)]
        assert all(x.is_meta for x in tensors), f"{func} touches the CPU"
        assert torch.Tag.dynamic_output_shape not in func.tags, f"the shape of {func} depends on values"
        Recordable.operations += 1
        return found


def somewhere(batch: int = 3) -> State:
    """On the device whose tensors have no values."""
    return State(torch.zeros(batch, 1, device="meta"), torch.zeros(batch, 1, device="meta"))


def drawn(shape: tuple[int, int, int], generator: Generator, dtype: torch.dtype) -> Tensor:
    """Noise from a generator that is on the same device; there is none for this one."""
    return torch.randn(shape, dtype=dtype, device="meta")


def planner(factory: Any, toy: toys.Toy, **fields: Any) -> SamplingPlanner:
    numbers = {"horizon": 6, "candidates": 100} | ({"elites": 10} if factory in (cem, icem, tdmpc) else {}) | fields
    objective = Sum((LearnedReward(toy), ControlPenalty(0.1)), (1.0, 1.0))
    return factory(toy, objective, Generator(), **numbers)


@every_factory
@pytest.mark.parametrize("fields", [{}, {"record": True, "return_best": True, "min_std": 0.1, "momentum": 0.2}])
def test_a_decision_could_be_recorded(factory: Any, fields: dict[str, Any]) -> None:
    walk = toys.two_basins()
    smooth = {"smoothing": 1} if factory is mppi else {}  # its matrix is made before recording, like all that is cached
    p = planner(factory, walk, noise=drawn, **smooth, **fields)
    Recordable.operations = 0
    with Recordable():
        _, plan = p.plan(somewhere())
        action, plan = p.plan(somewhere(), plan)
        assert action.shape == (3, 1)
        assert plan.value.shape == (3,)
    assert Recordable.operations > 50


def test_discrete_actions_could_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planners.sampling.gumbel", drawn)
    toy = toys.Toy(lambda z, a: z + a[..., :2], lambda z: z.sum(-1), action=3, discrete=True)
    with Recordable():
        _, plan = planner(icem, toy).plan(somewhere())
        assert planner(icem, toy).plan(somewhere(), plan)[1].actions.shape == (3, 6, 3)


@pytest.mark.parametrize("asks", ["value", "memory", "shape"])
def test_the_check_can_fail(asks: str) -> None:
    def reward(latent: Tensor) -> Tensor:
        x = latent[..., 0]
        if asks == "value":
            return x * (1.0 if x.any() else 2.0)
        return x + torch.zeros(1) if asks == "memory" else x + x[x > 0].sum()

    toy = toys.Toy(toys.two_basins().transition, reward)
    with pytest.raises((AssertionError, RuntimeError), match=r"touches the CPU|meta"), Recordable():
        planner(cem, toy, noise=drawn).plan(somewhere())


def test_what_is_cached_is_made_once() -> None:
    """Matrices are copied to the device at the first call, which is before recording."""
    noise = Coloured(2.0)
    noise((2, 6, 1), Generator(), torch.float32)
    with Copies() as copies:
        noise((2, 6, 1), Generator(), torch.float32)
    assert not copies.found


class Copies(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.lift_fresh, torch.ops.aten.copy_):
            self.found.append(func)
        return func(*args, **(kwargs or {}))


def test_without_a_gpu_it_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="graph records CUDA kernels, but the generator is on cpu"):
        planner(cem, toys.two_basins(), graph=True)


def test_changed_weights_are_seen() -> None:
    """Kernels may have packed them, so the graph has to be recorded anew."""
    layer = nn.Linear(2, 2)
    before = versions(layer)
    assert versions(layer) == before
    with torch.no_grad():
        layer.weight.mul_(2)
    assert versions(layer) != before
    assert versions(toys.two_basins()) == ()


def decisions(p: SamplingPlanner, state: State) -> list[Plan]:
    """Of two batches, each with and without a warm start, and from other states."""
    plans, plan = [], None
    for shift in (0.0, 0.1, 0.2):
        _, plan = p.plan(state.map(lambda x, by=shift: x + by), plan)
        plans.append(plan)
    return [*plans, p.plan(state.map(lambda x: x[:1]))[1]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: make bench-gpu on a machine with one")
@every_factory
def test_replayed_decisions_are_those_that_calling_makes(factory: Any) -> None:
    toy = toys.two_basins()
    state = toys.latents((0.0, 0.0), (0.3, 0.0), dtype=torch.float32).map(Tensor.cuda)
    found = []
    for graph in (False, True):
        generator = Generator(device="cuda").manual_seed(0)
        numbers = {"horizon": 6, "candidates": 100} | ({"elites": 10} if factory in (cem, icem, tdmpc) else {})
        found.append(decisions(factory(toy, LearnedReward(toy), generator, graph=graph, **numbers), state))
    for called, replayed in zip(*found, strict=True):
        torch.testing.assert_close(replayed.actions, called.actions)
        torch.testing.assert_close(replayed.value, called.value)
        for name in called.trace:
            torch.testing.assert_close(replayed.trace[name], called.trace[name], equal_nan=True)
    assert not torch.equal(found[1][0].actions, found[1][1].actions), "a replay wrote into an earlier plan"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: make bench-gpu on a machine with one")
def test_a_learned_model_through_its_kernels_with_weights_that_change() -> None:
    from tests.worldmodel.examples import CONFIGS
    from worldmodel.build import build

    model = build(next(iter(CONFIGS.values())), (32, 32, 3), 2).cuda().eval().requires_grad_(False)
    state = model.initial(2).state.map(lambda x: x + 0.1)
    for _ in range(2):
        plans = []
        for graph in (False, True):
            generator = Generator(device="cuda").manual_seed(0)
            p = cem(model, LearnedReward(model), generator, candidates=200, elites=20, iterations=4, graph=graph)
            plans.append(p.plan(state)[1])
        torch.testing.assert_close(plans[1].actions, plans[0].actions, rtol=1e-2, atol=1e-2)
        for weight in model.parameters():
            weight.mul_(1.1)
