"""The contract of launchers, on every one that can be tried on this machine."""

import contextlib
import importlib.util
import os
import signal
import time
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.launchers import choice
from experiments.launchers.choice import choose
from experiments.launchers.interface import WorkFailed

from . import stand_ins_for_slurm
from .launched import first_alone, inverse, once_too_early

SUBMITIT = pytest.mark.skipif(
    not importlib.util.find_spec("submitit"), reason='submitit comes with pip install ".[slurm]"'
)
RAY = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason='ray comes with pip install ".[ray]"')
LAUNCHERS = [
    pytest.param("processes", None, id="here"),
    pytest.param("processes", 2, id="processes"),
    pytest.param("slurm:cluster=local", None, id="slurm", marks=SUBMITIT),
    pytest.param("ray", None, id="ray", marks=[RAY, pytest.mark.slow]),  # some 7 s to start and to end
]


@pytest.mark.parametrize(("text", "processes"), LAUNCHERS)
def test_all_is_done_and_one_that_fails_leaves_the_others_alone(
    text: str, processes: int | None, tmp_path: Path
) -> None:
    results, errors = {}, {}
    for item, result in choose(text, processes, tmp_path / "jobs").run(inverse, [1, 0, 2]):
        try:
            results[item], pid = result()
            assert (pid == os.getpid()) == ((text, processes) == ("processes", None))
        except Exception as error:
            errors[item] = str(error)
    assert results == {1: 1.0, 2: 0.5}
    assert "division by zero" in errors.pop(0)
    assert not errors


@pytest.mark.parametrize(("text", "processes"), LAUNCHERS)
def test_nothing_to_do_is_done_at_once(text: str, processes: int | None, tmp_path: Path) -> None:
    assert list(choose(text, processes, tmp_path / "jobs").run(inverse, [])) == []


@SUBMITIT
def test_slurm_is_given_an_array_with_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins_for_slurm.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    launcher = choose("slurm:partition=cpu,mem_gb=3,array_parallelism=2", None, tmp_path / "jobs")
    results, errors = {}, {}
    for item, result in launcher.run(inverse, [1, 0, 2]):
        try:
            results[item] = result()[0]
        except WorkFailed as error:
            errors[item] = str(error)
    assert results == {1: 1.0, 2: 0.5}
    assert errors.keys() == {0}
    assert errors[0].startswith("ZeroDivisionError: division by zero (all of it: ")
    (script,) = (tmp_path / "jobs").glob("*_submission.sh")
    asked = script.read_text()
    for line in ("--partition=cpu", "--mem=3GB", "--array=0-2%2", "--time=1440", "--cpus-per-task=1"):
        assert f"#SBATCH {line}" in asked
    assert not (tmp_path / "bin" / "cancelled").exists()


@SUBMITIT
def test_jobs_that_are_no_longer_wanted_are_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins_for_slurm.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with contextlib.closing(choose("slurm", None, tmp_path / "jobs").run(first_alone, [tmp_path, tmp_path])) as done:
        item, _ = next(done)
    assert item == tmp_path
    assert (tmp_path / "bin" / "cancelled").read_text().split() in (["7_0"], ["7_1"])


@SUBMITIT
def test_a_job_that_slurm_ends_too_early_is_done_again(tmp_path: Path) -> None:
    ((_, result),) = choose("slurm:cluster=local", None, tmp_path / "jobs").run(once_too_early, [tmp_path])
    assert result() == "went on"


@pytest.mark.parametrize(("text", "processes"), LAUNCHERS[1:])
@pytest.mark.parametrize("ignored", [False, True], ids=["", "interrupts-ignored"])  # as of a shell's background job
def test_what_still_runs_ends_with_the_iterator(
    text: str, processes: int | None, ignored: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    usual = signal.getsignal(signal.SIGINT)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, usual))
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    launcher = choose(text, processes, tmp_path / "jobs")
    with contextlib.closing(launcher.run(first_alone, [tmp_path] * 3)) as done:
        next(done)
        started = time.monotonic()
    assert (signal.getsignal(signal.SIGINT) is signal.SIG_IGN) == (ignored or usual is signal.SIG_IGN)
    assert time.monotonic() - started < 150  # those that stay would take twice as long, and a busy machine is slow


@pytest.mark.parametrize(
    ("text", "processes", "words"),
    [
        ("slrum", None, "Did you mean 'slurm'?"),
        ("processes:mem_gb=3", None, "no options"),
        ("processes", 0, "at least 1; 0 came"),
        ("slurm:cpu", None, "'cpu' came in 'slurm:cpu'"),
        ("slurm", 3, "--processes is for --launcher processes"),
        pytest.param("slurm", None, "slurm:cluster=local", marks=SUBMITIT),
        pytest.param("slurm:cluster=cloud", None, "cloud came", marks=SUBMITIT),
        pytest.param("slurm:cluster=local,partitoin=cpu", None, "Did you mean 'partition'?", marks=SUBMITIT),
        pytest.param("slurm:cluster=local,timeout_min=long", None, "timeout_min", marks=SUBMITIT),
        pytest.param("ray:adress=auto", None, "Did you mean 'address'?", marks=RAY),
    ],
)
def test_what_cannot_be_is_said_when_the_launcher_is_chosen(
    text: str, processes: int | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no sbatch
    with pytest.raises(UserError, match=words):
        choose(text, processes, tmp_path / "jobs")


@pytest.mark.parametrize("name", choice.PACKAGES)
def test_a_missing_package_is_named_with_what_installs_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(choice.PACKAGES, name, "no_such_package")
    with pytest.raises(UserError, match=rf'pip install "worldmodel-planners\[{name}\]"'):
        choose(name, None, tmp_path)


def test_options_are_numbers_where_they_can_be() -> None:
    given = [choice.option(part, "") for part in ("mem_gb=8", "partition=cpu", "mem-gb=0.5")]
    assert given == [("mem_gb", 8), ("partition", "cpu"), ("mem_gb", 0.5)]
