"""The command line: quick answers, one sentence for every mistake, no traceback unless asked for."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import envs
from experiments import cli
from experiments.cli import main
from experiments.reference import reference_for


def said(capsys: pytest.CaptureFixture[str], argv: list[str]) -> tuple[int, str, str]:
    try:
        code = main(argv)
    except SystemExit as stop:  # tyro's own help and errors
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_help_and_version_do_not_wait_for_torch() -> None:
    code = (
        "import sys; from experiments.cli import main\n"
        "main(['--help']); main(['--version']); main(['trian'])\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "worldmodel train pendulum" in done.stdout
    assert "Did you mean 'train'?" in done.stderr


def test_every_command_of_the_help_has_its_module(capsys: pytest.CaptureFixture[str]) -> None:
    for command in cli.COMMANDS:
        code, out, _ = said(capsys, [command, "--help"])
        assert code == 0
        assert f"usage: worldmodel {command}" in out


@pytest.mark.parametrize(("given", "kept"), [(None, "passive"), ("active", "active")])
def test_openmp_waits_passively_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    main(["--version"])
    assert os.environ["OMP_WAIT_POLICY"] == kept


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["trian"], ["'trian'", "Did you mean 'train'?"]),
        (["train"], ["worldmodel train PRESET", "nothing came first"]),
        (["train", "--seed", "1"], ["worldmodel train PRESET", "--seed came first"]),
        (["train", "pendulm"], ["There is no preset 'pendulm'", "Did you mean 'pendulum'?"]),
        (["train", "tiny", "--env", "cartpol"], ["There is no environment 'cartpol'", "Did you mean 'cartpole'?"]),
        (["train", "tiny", "--planner.name", "cme"], ["There is no planner 'cme'", "Did you mean 'cem'?"]),
        (["train", "tiny", "--collect.name", "ilq"], ["There is no planner 'ilq'", "Did you mean 'ilqr'?"]),
        (["train", "tiny", "--size", "20"], ["multiple of", "8", "20", "16"]),
        (["train", "tiny", "--size", "4"], ["size", "4", "at least 8"]),
        (["train", "tiny", "--rounds", "0"], ["--rounds must be at least 1", "0 came"]),
        (["train", "tiny", "--collect.elites", "99"], ["The planner cem cannot be set up so", "elites"]),
        (["train", "tiny", "--replay-gb", "nan"], ["--replay-gb must be greater than 0", "nan came"]),
        (["train", "tiny", "--paid", "1.5"], ["--paid must be in [0, 1]", "1.5 came"]),
        (["evaluate", "no/such/run"], ["no/such/run/config.json does not exist", "train one"]),
        (["reference", "pendulun"], ["There is no environment 'pendulun'", "Did you mean 'pendulum'?"]),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence_with_advice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, argv: list[str], words: list[str]
) -> None:
    out = ["--out", str(tmp_path / "run")] if argv[:1] == ["train"] and len(argv) > 1 and argv[1] == "tiny" else []
    code, _, err = said(capsys, argv + out)
    assert code == 2
    assert err.startswith("worldmodel: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert not (tmp_path / "run").exists()


def test_a_mistyped_option_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, ["train", "tiny", "--plannr.horizon", "3"])
    assert code == 2
    assert "--planner.horizon" in err


def test_debug_shows_the_traceback_and_still_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, ["train", "pendulm", "--debug"])
    assert code == 2
    assert "Traceback" in err
    assert "There is no preset" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl"), "disk is full (metrics.jsonl)"),
        (ValueError("Images must be so; they are not."), "Images must be so; they are not."),
        (KeyError("lost"), "KeyError: 'lost' (unexpected; --debug shows where)"),
    ],
)
def test_other_failures_are_a_sentence_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(argv: list[str]) -> None:
        raise error

    monkeypatch.setattr(cli, "dispatch", fail)
    code, _, err = said(capsys, ["train", "tiny"])
    assert code == 1
    assert words in err
    assert "Traceback" not in err


def test_environments_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, ["envs"])
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    for name in envs.names():
        known = reference_for(name)
        assert (f"{known.reference:.1f}" if known else "?") in lines[name]
    unknown = [name for name in envs.names() if reference_for(name) is None]
    assert ("?: not computed yet" in out) == bool(unknown)
