"""`worldmodel show` where less is known: actions that are choices, no built-in task, data without an environment."""

import json
import re
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.report.show_map import r2
from tests.experiments.test_show_command import TITLES, widgets


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at is there or not, however well it was computed."""
    monkeypatch.setattr("experiments.report.show_linearity.STATES", 8)
    monkeypatch.setattr("experiments.report.show_linearity.STARTS", 6)
    monkeypatch.setattr("worldmodel.insight.mlp_probe.STEPS", 20)


def shown(run: Path, folder: Path) -> tuple[str, dict[str, list[dict]], set[str]]:
    """The page, its data, and the names of the figures."""
    words = ["--html", str(folder / "page.html"), "--png", str(folder / "png"), "--episodes", "3"]
    assert main(["show", str(run), *words]) == 0
    page = (folder / "page.html").read_text()
    assert re.findall(r"<h2>(.*?)</h2>", page) == list(TITLES)
    return page, widgets(page), {path.stem.partition("-")[2] for path in (folder / "png").glob("*.png")}


def test_a_run_whose_actions_are_choices(discrete_run: Path, tmp_path: Path) -> None:
    page, found, figures = shown(discrete_run, tmp_path)
    assert "Actions are discrete: there is no slope for iLQR to follow." in page
    assert "Purple: iLQR" not in page
    assert "Dashed green" not in page  # the task is not a built-in one
    assert "Squares are" not in page
    assert len(found["latent-map"]) == 1
    assert [name["name"] for name in found["latent-map"][0]["colours"]][:2] == ["state 0", "state 1"]
    assert all(moment["ilqr"] is None for moment in found["plan-map"][0]["moments"])
    assert figures == {"map", "open-loop", "plan", "traversals"}


def test_data_without_an_environment(tmp_path: Path) -> None:
    """Its own test episodes are shown, and nobody asks what would have happened."""
    data = tmp_path / "data"
    assert main(["collect", "pendulum", "--episodes", "8", "--test-share", "0.4", "--out", str(data)]) == 0
    about = json.loads((data / "data.json").read_text())
    (data / "data.json").write_text(json.dumps(about | {"env": None}))
    run = tmp_path / "run"
    assert main(["train", "tiny", "--data", str(data), "--rounds", "2", "--out", str(run)]) == 0
    page, found, figures = shown(run, tmp_path)
    assert "cannot be said where the task&#x27;s true dynamics are not known" in page
    assert "Purple: iLQR" in page
    assert "Dashed green" not in page
    moments = found["plan-map"][0]["moments"]
    assert all(moment["ilqr"] and moment["happened"] == [] for moment in moments)
    assert "linearity" in figures
    assert "held out" in page
    assert f"those of {data}" in page


@pytest.mark.parametrize(
    ("value", "said"), [(0.1234, "0.123"), (-0.5, "-0.500"), (-1369.0, "below -1"), (float("nan"), "does not vary")]
)
def test_r2_that_says_nothing(value: float, said: str) -> None:
    assert r2(value) == said
