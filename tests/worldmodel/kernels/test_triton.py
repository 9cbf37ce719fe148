"""The Triton kernel in the interpreter: numbers, memory, races and bounds, and that the checker sees them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason='triton comes with pip install ".[dev]" on Linux')

from tests.worldmodel.kernels import interpreted
from tests.worldmodel.kernels.memory_checker import checked
from tests.worldmodel.kernels.problems import ODD, PLANET, TINY, error, make, step_by_step
from worldmodel.kernels.rssm_rollout import rssm_rollout
from worldmodel.kernels.rssm_rollout import triton as launcher
from worldmodel.kernels.rssm_rollout.weights import RolloutSizes

BOUND = {"tf32": 1e-6, "bf16": 1e-2}  # the interpreter does not round to tf32: this is the kernel's arithmetic alone
REACH = {"tf32": 3.0, "bf16": 0.5}  # actions as planners give them for bfloat16, whose rounding grows with its operands
SMALL = launcher.Tiles(candidates=4, outputs=16, gates=16, step=16, stages=1, warps=1)
BIG = launcher.Tiles(candidates=128, outputs=256, gates=256, step=256, stages=1, warps=1)
FRESH = ("deters", "stochs", "scratch")
SIZES = {"tiny": TINY, "odd": ODD, "even": RolloutSizes(24, 20, 17, 40, 33)}


@pytest.fixture
def in_interpreter(monkeypatch):
    interpreted.use(monkeypatch, interpreted.kernel())


@pytest.mark.usefixtures("in_interpreter")
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("precision", BOUND)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_matches_float64_over_many_tiles(sizes, precision, sampled):
    problem = make(sizes, (9,), horizon=3, sampled=sampled, reach=REACH[precision])
    result = launcher.rollout(*problem, precision=precision, tiles=SMALL)
    assert error(result, step_by_step(problem)) < BOUND[precision]


@pytest.mark.usefixtures("in_interpreter")
@pytest.mark.parametrize("precision", BOUND)
@pytest.mark.parametrize("lead", [(), (1,), (33,), (2, 3, 5)])
def test_matches_float64_with_the_tiles_of_the_gpu(lead, precision):
    problem = make(ODD, lead, horizon=2, sampled=True, reach=REACH[precision])
    assert error(launcher.rollout(*problem, precision=precision), step_by_step(problem)) < BOUND[precision]


@pytest.mark.usefixtures("in_interpreter")
@pytest.mark.parametrize("precision", BOUND)
def test_matches_float64_at_planets_size(precision):
    problem = make(PLANET, (64,), horizon=12, sampled=True, reach=REACH[precision])
    result = launcher.rollout(*problem, precision=precision, tiles=BIG)
    assert error(result, step_by_step(problem)) < BOUND[precision]


@pytest.mark.usefixtures("in_interpreter")
def test_bfloat16_finds_the_same_elites():
    problem = make(PLANET, (1000,), horizon=4, sampled=False, reach=0.5)
    expected = step_by_step(problem)
    result = launcher.rollout(*problem, precision="bf16", tiles=BIG._replace(candidates=1024))
    direction = torch.randn(PLANET.deter, generator=torch.Generator().manual_seed(1))

    def elites(deters):
        return set((deters.float() @ direction).sum(-1).topk(100).indices.tolist())

    assert len(elites(result[0]) & elites(expected[0])) >= 95


@pytest.mark.usefixtures("in_interpreter")
def test_shared_start_states_are_not_copied(monkeypatch):
    problem = make(ODD, (2, 7), horizon=2, sampled=True)
    shared = problem._replace(deter=problem.deter[:, :1], stoch=problem.stoch[:, :1].expand(2, 7, -1))
    view = launcher.two_level(shared.deter, torch.Size((2, 7)), 1)
    assert view.stride() == (7 * ODD.deter, 0, 1)
    assert error(launcher.rollout(*shared, precision="tf32", tiles=SMALL), step_by_step(shared)) < 1e-6


@pytest.mark.usefixtures("in_interpreter")
def test_reads_no_uninitialised_memory_and_writes_to_no_input():
    problem = make(ODD, (9,), horizon=3, sampled=True)
    copies = [t.clone() for t in (*problem.weights, *problem[1:])]
    torch.use_deterministic_algorithms(True)  # torch then fills every new tensor with NaN
    try:
        result = launcher.rollout(*problem, precision="tf32", tiles=SMALL)
    finally:
        torch.use_deterministic_algorithms(False)
    assert error(result, step_by_step(problem)) < 1e-6
    assert all(torch.equal(a, b) for a, b in zip(copies, (*problem.weights, *problem[1:]), strict=True))


@pytest.mark.usefixtures("in_interpreter")
@pytest.mark.parametrize("precision", BOUND)
def test_a_weight_changed_in_place_is_seen(precision):
    problem = make(ODD, (5,), horizon=2, sampled=True, reach=REACH[precision])
    for weight in problem.weights:
        launcher.rollout(*problem, precision=precision)
        weight.mul_(0.5).add_(0.05)
    assert error(launcher.rollout(*problem, precision=precision), step_by_step(problem)) < BOUND[precision]


@pytest.mark.usefixtures("in_interpreter")
@pytest.mark.parametrize("sampled", [False, True])
def test_no_race_and_nothing_out_of_bounds(sampled):
    problem = make(ODD, (9,), horizon=4, sampled=sampled)
    with checked(FRESH) as checker:
        result = launcher.rollout(*problem, precision="tf32", tiles=SMALL)
    assert checker.reports == set()
    assert error(result, step_by_step(problem)) < 1e-6
    assert checker.epoch > 4 * 4  # it did watch


BARRIER = "tl.debug_barrier()"
BARRIERS = interpreted.FILE.read_text().count(BARRIER)


def reports_of(source, tmp_path, monkeypatch):
    (tmp_path / "mutant.py").write_text(source)
    interpreted.use(monkeypatch, interpreted.load(tmp_path / "mutant.py"))
    # A mutant may read memory that nobody wrote: whatever lies there, infinities too, must not end the run.
    with checked(FRESH) as checker, np.errstate(all="ignore"):
        launcher.rollout(*make(ODD, (9,), horizon=3, sampled=True), precision="tf32", tiles=SMALL)
    return checker.reports


@pytest.mark.parametrize("index", range(BARRIERS))
def test_checker_flags_every_removed_barrier(index, tmp_path, monkeypatch):
    parts = interpreted.FILE.read_text().split(BARRIER)
    mutant = BARRIER.join(parts[: index + 1]) + "pass" + BARRIER.join(parts[index + 1 :])
    assert any("no barrier" in report for report in reports_of(mutant, tmp_path, monkeypatch))


MUTATIONS = {
    "weights' tail": (", mask=output[None, :] < outputs, other=0.0", "", "load out of bounds"),
    "states of lanes past the end": ("mask=within_stoch & alive", "mask=within_stoch", "store out of bounds"),
    "one scratch for all": ("program.to(tl.int64) * BN *", "0 *", "that another program wrote"),
    "unwritten padding": (
        "mask=output[None, :] < outputs_padded",
        "mask=output[None, :] < outputs",
        "before any store",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_checker_flags_other_mutations(name, tmp_path, monkeypatch):
    before, after, report = MUTATIONS[name]
    source = interpreted.FILE.read_text()
    assert source.count(before) == 1
    reports = reports_of(source.replace(before, after), tmp_path, monkeypatch)
    assert any(report in each for each in reports)


def test_a_cpu_tensor_is_refused_by_name():
    with pytest.raises(ValueError, match="impl='triton' cannot do this roll-out: it needs a CUDA device, got cpu"):
        rssm_rollout(*make(ODD, (5,), 3, False), impl="triton")
