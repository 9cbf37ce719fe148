"""The way that the README shows for an environment of one's own, with the example in `examples/`."""

from pathlib import Path

import pytest

from experiments.cli import main
from tests.experiments.conftest import TINY

EXAMPLE = "examples.hover:Hover"


def test_the_example_is_checked_and_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-env", EXAMPLE, "--size", "32"]) == 0
    out = capsys.readouterr().out
    assert "keeps the contract" in out
    assert "warning" not in out
    run = tmp_path / "run"
    assert main([*TINY, "--env", EXAMPLE, "--out", str(run)]) == 0
    assert main(["evaluate", str(run), "--episodes", "1", "--processes", "1"]) == 0
    capsys.readouterr()
    assert main(["probe", str(run)]) == 0
    assert "state 1" in capsys.readouterr().out


def test_a_broken_environment_is_said_and_the_exit_code_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-env", "tests.envs.test_check:Deaf", "--size", "24"]) == 1
    out, err = capsys.readouterr()
    assert "likely cause: step() does not use that action" in out
    assert "breaks 1 of" in err


def test_an_installed_package_names_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envs.named._plugins", lambda: {"hover": EXAMPLE})
    assert main(["check-env", "hover,episode_steps=3", "--size", "32"]) == 2  # Hover takes no options
    assert main(["check-env", "hover", "--size", "32"]) == 0
