"""One tiny trained run for all tests; those that change it take a copy."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from experiments.cli import main

TINY = ["train", "tiny", "--workers", "0", "--seed-episodes", "2"]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained through the command line; to be left as it is."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert main([*TINY, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def discrete_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With choices for actions, and a true state without names; to be left as it is."""
    folder = tmp_path_factory.mktemp("runs") / "discrete"
    assert main([*TINY, "--env", "gym:CartPole-v1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def run_copy(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "copy"))


@pytest.fixture(scope="session")
def shown(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `worldmodel show` writes of the tiny run: page.html, and figures beside it."""
    folder = tmp_path_factory.mktemp("shown")
    words = ["--html", str(folder / "page.html"), "--png", str(folder), "--episodes", "5"]
    words += ["--maps", "tsne"] if find_spec("sklearn") else []
    assert main(["show", str(tiny_run), *words]) == 0
    return folder


@pytest.fixture(scope="session")
def shown_page(shown: Path) -> Path:
    return shown / "page.html"


@pytest.fixture(scope="session")
def shown_figures(shown: Path) -> Path:
    return shown
