"""What the roll-out kernels are measured against: the reference as it is, compiled, in a CUDA graph, and both."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from worldmodel.kernels.rssm_rollout import RSSMWeights, reference, rssm_rollout

States = tuple[Tensor, Tensor]
Arguments = tuple[RSSMWeights, Tensor, Tensor, Tensor, Tensor | None]


@functools.cache
def compiled_step() -> reference.Step:
    """One step: compiling the whole horizon takes minutes and gains nothing over it."""
    return torch.compile(reference.step)


def compiled(arguments: Arguments) -> Callable[[], States]:
    return functools.partial(reference.rollout, *arguments, step=compiled_step())


def graphed(run: Callable[[], States]) -> Callable[[], States]:
    """A CUDA graph of ``run`` with its inputs where they are: no copies in or out, which flatters the baseline."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # capture wants everything to have run once, on another stream
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        states = run()

    def replay() -> States:
        graph.replay()
        return states

    return replay


def implementation(name: str, arguments: Arguments) -> Callable[[], States]:
    if name == "compiled":
        return compiled(arguments)
    if name == "graph":
        return graphed(functools.partial(rssm_rollout, *arguments, impl="reference"))
    if name == "compiled-graph":
        return graphed(compiled(arguments))
    return functools.partial(rssm_rollout, *arguments, impl=name)
