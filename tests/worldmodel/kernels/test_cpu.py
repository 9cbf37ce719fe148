"""The C++ kernel against float64, on all shapes; builds, caches, and what it refuses."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys

import pytest
import torch

from tests.worldmodel.kernels.problems import ODD, PLANET, ROUND, TINY, error, make, step_by_step
from worldmodel.kernels import cpu_build, strides
from worldmodel.kernels.rssm_rollout import cpu, rssm_rollout
from worldmodel.kernels.rssm_rollout.weights import RolloutSizes

needs_kernel = pytest.mark.skipif(cpu.library() is None, reason="no C++ compiler: install g++")
SIZES = {"tiny": TINY, "odd": ODD, "round": ROUND, "planet": PLANET, "even": RolloutSizes(24, 8, 1, 256, 40)}


@needs_kernel
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("candidates", [1, 2, 15, 33, 97])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_matches_float64(sizes, candidates, sampled):
    problem = make(sizes, (candidates,), horizon=5, sampled=sampled)
    assert error(rssm_rollout(*problem, impl="cpu"), step_by_step(problem)) < 2e-6


@needs_kernel
def test_matches_float64_over_a_thousand_candidates_and_twelve_steps():
    problem = make(PLANET, (1000,), horizon=12, sampled=True)
    assert error(rssm_rollout(*problem, impl="cpu"), step_by_step(problem)) < 1e-5


@needs_kernel
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bits(threads, monkeypatch):
    problem = make(ODD, (4, 25), horizon=6, sampled=True)
    alone = rssm_rollout(*problem, impl="cpu")
    monkeypatch.setattr(cpu, "threads_for", lambda flops: threads)
    together = rssm_rollout(*problem, impl="cpu")
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@needs_kernel
def test_threads_follow_torch_and_the_amount_of_work(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert strides.threads_for(10) == 1
    assert strides.threads_for(10**12) == 4


@needs_kernel
@pytest.mark.parametrize("shared", ["expanded", "one candidate", "no axes", "transposed", "many axes"])
def test_reads_any_strides_where_they_lie(shared):
    problem = make(ODD, (3, 7), horizon=4, sampled=True)
    first = problem._replace(deter=problem.deter[:, :1], stoch=problem.stoch[:, :1])
    views = {
        "expanded": first._replace(deter=first.deter.expand(3, 7, -1), stoch=first.stoch.expand(3, 7, -1)),
        "one candidate": first,
        "no axes": problem._replace(deter=problem.deter[0, 0], stoch=problem.stoch[0, 0]),
        "transposed": problem._replace(
            actions=problem.actions.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0),
            noise=problem.noise[:1].expand(3, -1, -1, -1),
            deter=problem.deter.transpose(0, 1).contiguous().transpose(0, 1),
        ),
        "many axes": make(ODD, (2, 1, 3, 1, 2), horizon=2, sampled=True),
    }
    chosen = views[shared]
    assert error(rssm_rollout(*chosen, impl="cpu"), step_by_step(chosen)) < 2e-6


@needs_kernel
def test_writes_to_no_input():
    problem = make(ODD, (33,), horizon=4, sampled=True)
    copies = [t.clone() for t in (*problem.weights, *problem[1:])]
    rssm_rollout(*problem, impl="cpu")
    assert all(torch.equal(a, b) for a, b in zip(copies, (*problem.weights, *problem[1:]), strict=True))


@needs_kernel
def test_reads_no_uninitialised_memory():
    problem = make(ODD, (33,), horizon=4, sampled=True)
    torch.use_deterministic_algorithms(True)  # torch then fills every new tensor with NaN
    try:
        assert torch.empty(8).isnan().all()
        result = rssm_rollout(*problem, impl="cpu")
    finally:
        torch.use_deterministic_algorithms(False)
    assert error(result, step_by_step(problem)) < 2e-6


@needs_kernel
def test_extreme_values_stay_right_and_nan_comes_through():
    problem = make(ODD, (40,), horizon=2, sampled=True)
    problem.actions[0], problem.actions[1], problem.actions[2, 0, 0] = 1e4, -1e4, float("nan")
    deters, stochs = rssm_rollout(*problem, impl="cpu")
    assert deters[2].isnan().any()
    assert stochs[2, -1].isnan().all()
    others = torch.arange(40) != 2
    expected = step_by_step(problem)
    assert error((deters[others], stochs[others]), (expected[0][others], expected[1][others])) < 1e-5


@needs_kernel
def test_no_candidates_give_no_states():
    problem = make(ODD, (0, 3), horizon=4, sampled=False)
    assert rssm_rollout(*problem, impl="cpu")[0].shape == (0, 3, 4, 37)


@needs_kernel
@pytest.mark.parametrize("index", range(10))
def test_a_weight_changed_in_place_is_seen(index):
    problem = make(ODD, (5,), horizon=3, sampled=True)
    before = rssm_rollout(*problem, impl="cpu")
    problem.weights[index].mul_(1.5).add_(0.1)
    after = rssm_rollout(*problem, impl="cpu")
    assert not torch.allclose(before[1], after[1])
    assert error(after, step_by_step(problem)) < 2e-6


@needs_kernel
def test_an_optimiser_step_is_seen():
    problem = make(ODD, (5,), horizon=3, sampled=True)
    parameters = [weight.requires_grad_() for weight in problem.weights]
    optimiser = torch.optim.Adam(parameters, lr=0.1)
    for _ in range(2):
        sum(result.sum() for result in rssm_rollout(*problem)).backward()
        optimiser.step()
        with torch.no_grad():
            assert error(rssm_rollout(*problem, impl="cpu"), step_by_step(problem)) < 2e-6


@needs_kernel
def test_packs_are_made_once_per_version(monkeypatch):
    problem = make(ODD, (5,), horizon=3, sampled=False)
    made = []
    monkeypatch.setattr(cpu.PACKS, "pack", lambda weights: made.append(1) or cpu.pack(weights))
    for _ in range(3):
        rssm_rollout(*problem, impl="cpu")
    assert len(made) == 1
    for seed in range(1, 9):  # more models than are kept
        rssm_rollout(*make(ODD, (5,), horizon=3, sampled=False, seed=seed), impl="cpu")
    assert len(made) == 9
    assert len(cpu.PACKS.entries) <= cpu.PACKS.capacity


@needs_kernel
def test_inference_mode():
    with torch.inference_mode():
        problem = make(ODD, (5,), horizon=3, sampled=True)
        first = rssm_rollout(*problem, impl="cpu")
        problem.weights.stats_bias.add_(1)  # such tensors do not count their versions
        second = rssm_rollout(*problem, impl="cpu")
        assert error(second, step_by_step(problem)) < 2e-6
    assert not torch.equal(first[1], second[1])


REFUSALS = {
    "float32 on one device everywhere, got torch.float64 on cpu": lambda p: p.to(torch.float64),
    "gradients are wanted": lambda p: p._replace(actions=p.actions.clone().requires_grad_()),
}


@needs_kernel
@pytest.mark.parametrize("reason", REFUSALS)
def test_a_named_kernel_says_why_it_cannot(reason):
    with pytest.raises(ValueError, match=reason):
        rssm_rollout(*REFUSALS[reason](make(ODD, (5,), 3, False)), impl="cpu")


def test_unknown_name():
    with pytest.raises(ValueError, match="impl must be one of reference, cpu, triton, triton-tf32 or None, got 'cuda'"):
        rssm_rollout(*make(TINY, (1,), 1, False), impl="cuda")


@pytest.fixture
def fresh_library():
    """Forgets the loaded kernel for one test."""
    remembered = (cpu.library, cpu_build.library, cpu_build.compiler)
    for function in remembered:
        function.cache_clear()
    yield
    for function in remembered:
        function.cache_clear()


def test_no_compiler_is_said_once_and_the_reference_answers(fresh_library, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    problem = make(ODD, (5,), horizon=3, sampled=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert error(rssm_rollout(*problem), step_by_step(problem)) < 1e-6
    assert [r.message for r in caplog.records if "no C++ compiler" in r.message] == [
        "no C++ compiler (g++, clang++ or $CXX): planning on the CPU takes the slower PyTorch code"
    ]
    with pytest.raises(ValueError, match="could not be built here"):
        rssm_rollout(*problem, impl="cpu")


def test_a_compiler_that_fails_is_said_once(fresh_library, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("CXX", shutil.which("false"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert cpu.library() is None
        assert cpu.library() is None
    assert len(caplog.records) == 1
    assert list((tmp_path / "worldmodel").iterdir()) == []


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_builds_with_either_compiler(compiler, tmp_path, monkeypatch):
    path = shutil.which(compiler)
    if path is None:
        pytest.skip(f"{compiler} is not installed")
    kernel = cpu.declare(cpu_build.load(cpu.SOURCE, path, tmp_path))
    monkeypatch.setattr(cpu, "built", lambda: kernel)
    problem = make(ODD, (50,), horizon=4, sampled=True)
    assert error(cpu.rollout(*problem), step_by_step(problem)) < 2e-6


@pytest.mark.parametrize("architecture", ["haswell", "x86-64"])
def test_narrower_vectors(architecture, tmp_path, monkeypatch):
    """What older processors build: 8 and 4 floats a vector."""
    compiler, flags = cpu_build.compiler(), cpu_build.instruction_sets().split()
    if compiler is None or not {"avx2", "fma"} <= set(flags):
        pytest.skip("needs a compiler and an x86 processor with AVX2")
    native = tuple(flag.replace("native", architecture) for flag in cpu_build.FLAGS)
    kernel = cpu.declare(cpu_build.load(cpu.SOURCE, compiler, tmp_path, native))
    monkeypatch.setattr(cpu, "built", lambda: kernel)
    monkeypatch.setattr(cpu, "PACKS", cpu.Packs(cpu.pack))
    problem = make(ODD, (50,), horizon=4, sampled=True)
    assert error(cpu.rollout(*problem), step_by_step(problem)) < 2e-6


def test_two_processes_build_at_once(tmp_path):
    if cpu_build.compiler() is None:
        pytest.skip("no C++ compiler: install g++")
    # The file alone, without the package around it: importing torch twice would take longer than building.
    code = "import pathlib, runpy, sys; assert runpy.run_path(sys.argv[1])['library'](pathlib.Path(sys.argv[2]))"
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", code, cpu_build.__file__, str(cpu.SOURCE)]
    running = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert len(list((tmp_path / "worldmodel").iterdir())) == 1
