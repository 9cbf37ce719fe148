"""The perceptron kernel against torch.nn in float64, and what it refuses."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from worldmodel.kernels.mlp import cpu, mlp

needs_kernel = pytest.mark.skipif(cpu.library() is None, reason="no C++ compiler: install g++")


def network(*widths):
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    tensors = [tensor.detach() for layer in layers for tensor in (layer.weight, layer.bias)]
    modules = [module for layer in layers for module in (layer, nn.ELU())][:-1]
    return tensors, nn.Sequential(*modules).double()


def inputs(lead, *widths):
    generator = torch.Generator().manual_seed(1)
    return [3 * torch.randn(*lead, width, generator=generator) for width in widths]


def exact(net, parts):
    """`net` holds the same weights in float64."""
    lead = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    with torch.no_grad():
        return net(torch.cat([part.expand(*lead, -1) for part in parts], -1).double())


def error(result, expected):
    """Relative to the largest value, or to the size of what is summed up where that cancels."""
    assert result.shape == expected.shape
    assert result.isfinite().all()
    return ((result.double() - expected).abs().max() / expected.abs().max().clamp(min=0.1)).item()


@needs_kernel
@pytest.mark.parametrize("rows", [1, 2, 33, 100])
@pytest.mark.parametrize("widths", [(1, 1), (41, 29, 1), (230, 200, 200, 1), (7, 64, 3), (24, 8, 8, 8, 8, 8, 8, 8, 5)])
def test_matches_float64(widths, rows):
    tensors, net = network(*widths)
    parts = inputs((rows,), widths[0])
    assert error(mlp(tensors, parts, impl="cpu"), exact(net, parts)) < 2e-6
    assert error(mlp(tensors, parts, impl="reference"), exact(net, parts)) < 2e-6


@needs_kernel
def test_parts_are_read_where_they_lie():
    tensors, net = network(12, 16, 2)
    wide, narrow = inputs((3, 5), 9, 3)
    for parts in (
        [wide, narrow],
        [wide[:, :1], narrow],
        [wide, narrow[0, 0]],
        [wide.transpose(0, 1), narrow.transpose(0, 1)],
        [wide[:, ::2], narrow[:, ::2]],
        [torch.cat([wide, narrow], -1)[..., :9], narrow],
    ):
        assert error(mlp(tensors, parts, impl="cpu"), exact(net, parts)) < 2e-6


@needs_kernel
def test_reads_no_uninitialised_memory():
    tensors, net = network(12, 19, 3)
    parts = inputs((33,), 12)
    torch.use_deterministic_algorithms(True)  # torch then fills every new tensor with NaN
    try:
        result = mlp(tensors, parts, impl="cpu")
    finally:
        torch.use_deterministic_algorithms(False)
    assert error(result, exact(net, parts)) < 2e-6


@needs_kernel
def test_a_weight_changed_in_place_is_seen():
    tensors, net = network(12, 16, 2)
    parts = inputs((5,), 12)
    for changed, parameter in zip(tensors, net.parameters(), strict=True):
        mlp(tensors, parts, impl="cpu")
        changed.mul_(1.5)
        parameter.data.mul_(1.5)
        assert error(mlp(tensors, parts, impl="cpu"), exact(net, parts)) < 2e-6


@needs_kernel
def test_rows_of_the_same_weights_are_another_network():
    """They lie at the same address, and yet are not packed the same."""
    tensors, net = network(12, 16, 40)
    first = [*tensors[:2], tensors[2][:2], tensors[3][:2]]
    parts = inputs((5,), 12)
    for _ in range(2):
        assert error(mlp(tensors, parts, impl="cpu"), exact(net, parts)) < 2e-6
        assert error(mlp(first, parts, impl="cpu"), exact(net, parts)[:, :2]) < 2e-6


@needs_kernel
def test_a_part_without_columns_changes_nothing():
    """The deterministic state of models that have none."""
    tensors, net = network(12, 16, 2)
    nothing, part = inputs((3, 5), 0, 12)
    assert error(mlp(tensors, [nothing, part], impl="cpu"), exact(net, [part])) < 2e-6


@needs_kernel
@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(threads, monkeypatch):
    tensors, _ = network(12, 16, 2)
    parts = inputs((100,), 12)
    alone = mlp(tensors, parts, impl="cpu")
    monkeypatch.setattr(cpu, "threads_for", lambda flops: threads)
    assert torch.equal(mlp(tensors, parts, impl="cpu"), alone)


@needs_kernel
def test_no_rows_and_no_axes():
    tensors, net = network(12, 16, 2)
    assert mlp(tensors, [torch.zeros(0, 4, 12)], impl="cpu").shape == (0, 4, 2)
    parts = inputs((), 12)
    assert error(mlp(tensors, parts, impl="cpu"), exact(net, parts)) < 2e-6


def test_gradients_flow_and_other_types_work():
    tensors, net = network(12, 16, 2)
    parts = [part.requires_grad_() for part in inputs((5,), 9, 3)]
    mlp(tensors, parts).sum().backward()
    assert all(part.grad.abs().sum() > 0 for part in parts)
    doubles = [tensor.double() for tensor in tensors]
    exactly = [part.detach().double() for part in parts]
    torch.testing.assert_close(mlp(doubles, exactly), exact(net, exactly))


REFUSALS = {
    r"takes 12 columns, but the parts have \[9, 4\]": ([9, 4], None),
    "impl must be reference, cpu or None, got 'gpu'": ([9, 3], "gpu"),
    "at most 2 parts": ([4, 4, 4], "cpu"),
}


@needs_kernel
@pytest.mark.parametrize("message", REFUSALS)
def test_refuses(message):
    widths, impl = REFUSALS[message]
    with pytest.raises(ValueError, match=message):
        mlp(network(12, 16, 2)[0], inputs((5,), *widths), impl=impl)
