"""`worldmodel show`: the page as text, its data, and mistakes. What moves in it is tested in a browser elsewhere."""

import base64
import io
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.cli import main

TITLES = (
    "The latent as a map",
    "What it imagines",
    "What planners think",
    "Directions of the latent",
    "Where it is linear",
    "How it was trained",
)


def test_all_sections_are_there(shown_page: Path) -> None:
    page = shown_page.read_text()
    assert re.findall(r"<h2>(.*?)</h2>", page) == list(TITLES)
    assert "$" not in re.sub(r"<script>.*?</script>", "", page, flags=re.S)  # no placeholder is left


def test_nothing_is_loaded_from_elsewhere(shown_page: Path) -> None:
    page = shown_page.read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "http" not in page
    assert len(page) < 15e6


def widgets(page: str) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for name, text in re.findall(r'<div class="([\w-]+)"><script type="application/json">(.*?)</script>', page, re.S):
        found.setdefault(name, []).append(json.loads(text))
    return found


def test_every_point_of_the_map_has_a_place_colours_and_two_pictures(shown_page: Path) -> None:
    data = widgets(shown_page.read_text())["latent-map"][0]
    count = len(data["episode"])
    assert count > 500
    assert {view["dims"] for view in data["views"]} == {2, 3}
    assert all(len(view["points"]) == count for view in data["views"])
    assert all(max(abs(x) for point in view["points"] for x in point) <= 1 for view in data["views"])
    assert [colour["name"] for colour in data["colours"]] == ["angle", "velocity", "reward", "step", "episode"]
    assert all(len(colour["values"]) == count for colour in data["colours"])
    frames = data["frames"]
    sheet = Image.open(io.BytesIO(base64.b64decode(frames["source"].partition(",")[2])))
    assert sheet.width == frames["columns"] * frames["size"]
    assert (sheet.width // frames["size"]) * (sheet.height // frames["size"]) >= 2 * count


@pytest.mark.skipif(find_spec("sklearn") is None, reason='t-SNE comes with pip install ".[maps]"')
def test_a_bent_map_is_a_view_without_axes(shown_page: Path) -> None:
    views = widgets(shown_page.read_text())["latent-map"][0]["views"]
    assert [view["name"] for view in views] == ["flat", "in depth", "as told: sin angle, velocity, cos angle", "t-SNE"]
    assert views[-1]["axes"] == []
    assert np.ptp(views[-1]["points"], axis=0).min() > 0.5


def test_a_map_whose_package_is_missing_is_refused_before_anything_is_played(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    assert main(["show", str(tiny_run), "--html", "x.html", "--maps", "umap"]) == 2
    said = capsys.readouterr()
    assert 'not installed (umap). Install it with pip install "worldmodel-planners[maps]"' in said.err
    assert said.out == ""


def test_the_video_and_the_plans_have_what_the_script_draws(shown_page: Path) -> None:
    found = widgets(shown_page.read_text())
    video = found["open-loop"][0]
    assert len(video["reward"]) == len(video["predicted"]) == video["rows"]
    assert 0 < video["filtered"] < video["rows"]
    plan = found["plan-map"][0]
    for moment in plan["moments"]:
        assert all(len(iteration["mean"]) == len(moment["happened"]) for iteration in moment["iterations"])
        assert len(moment["ilqr"]["closed"]) == len(moment["ilqr"]["path"])


def test_figures_are_written(shown_figures: Path) -> None:
    names = {file.stem for file in shown_figures.glob("*.png")}
    assert names == {f"tiny-{name}" for name in ("map", "open-loop", "plan", "traversals", "linearity")}
    for file in shown_figures.glob("*.png"):
        picture = Image.open(file)
        assert picture.width >= 600
        assert len(picture.convert("RGB").resize((60, 60)).getcolors(3600) or []) > 8  # not blank


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "neither --html FILE nor --png FOLDER came"),
        (["--html", "x.html", "--episodes", "1"], "--episodes must be at least 2"),
        (["--html", "x.html", "--seed", "-1"], "--seed at least 0"),
    ],
)
def test_mistakes_are_said_in_a_sentence(
    tiny_run: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(tiny_run), *words]) == 2
    assert says in capsys.readouterr().err


def test_a_run_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--html", "x.html"]) == 2
    assert "worldmodel show RUN" in capsys.readouterr().err
