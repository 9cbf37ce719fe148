"""A whole decision as one launch: recorded as a CUDA graph at its first call, replayed at the next ones.

A graph repeats the same kernels on the same memory. What is recorded must therefore have shapes that do not depend on
values, never wait for the device, make no tensor on the CPU, and draw from a generator that the graph knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from planners.interface import Plan
from worldmodel.interface import State

WARM_UP = 3  # calls before recording: libraries and compiled kernels make what they need at their first ones
Decide = Callable[[State, Tensor | None], Plan]
Versions = tuple[tuple[int, int], ...]
Inputs = tuple[Tensor, ...]  # the state's parts, and what was carried over if anything


class Recorded(NamedTuple):
    """A graph that reads ``inputs`` and writes ``plan``, made while the model had these ``weights``."""

    graph: torch.cuda.CUDAGraph
    inputs: Inputs
    plan: Plan
    weights: Versions


class Recorder:
    """Keeps one graph for each shape of the inputs. That is no memory of decisions: replaying says what calling would.

    A graph is made anew when the model's weights have changed: kernels may have packed them.
    """

    def __init__(self) -> None:
        self.graphs: dict[tuple[torch.Size, ...], Recorded] = {}

    def __call__(
        self, decide: Decide, model: object, generator: Generator, state: State, carried: Tensor | None
    ) -> Plan:
        """``decide(state, carried)``; random numbers are those that calling it would draw."""
        if not state.stoch.is_cuda:
            raise ValueError(f"A CUDA graph needs states on CUDA; one on {state.stoch.device} came. Leave graph out.")
        inputs = (*state,) if carried is None else (*state, carried)
        with torch.inference_mode(False), torch.no_grad(), torch.cuda.device_of(state.stoch):
            found = self._graph(decide, versions(model), generator, inputs)
            for held, new in zip(found.inputs, inputs, strict=True):
                held.copy_(new)
            found.graph.replay()
            return copied(found.plan)

    def _graph(self, decide: Decide, weights: Versions, generator: Generator, inputs: Inputs) -> Recorded:
        shapes = tuple(x.shape for x in inputs)
        if shapes not in self.graphs or self.graphs[shapes].weights != weights:
            self.graphs[shapes] = Recorded(*record(decide, generator, inputs), weights)
        return self.graphs[shapes]


def versions(model: object) -> Versions:
    """Where the model's parameters lie and how often they were changed in place."""
    return tuple((p.data_ptr(), p._version) for p in model.parameters()) if isinstance(model, nn.Module) else ()


def record(decide: Decide, generator: Generator, inputs: Inputs) -> tuple[torch.cuda.CUDAGraph, Inputs, Plan]:
    held, before = tuple(x.clone() for x in inputs), generator.get_state()

    def run() -> Plan:
        return decide(State(*held[:2]), held[2] if len(held) > 2 else None)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    generator.set_state(before)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        plan = run()
    return graph, held, plan


def copied(plan: Plan) -> Plan:
    """The next replay writes into the same memory."""
    carried = None if plan.carried is None else plan.carried.clone()
    trace = {name: x.clone() for name, x in plan.trace.items()}
    return Plan(plan.actions.clone(), plan.states.map(torch.clone), plan.value.clone(), trace, carried)
