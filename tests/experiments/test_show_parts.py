"""What the page and its figures are made of, piece by piece, on answers that are known."""

import base64
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

import envs
from experiments.report.colours import CIRCLE, SCALE, colours_of
from experiments.report.figure import Figure
from experiments.report.line_chart import Series, line_chart
from experiments.report.show_linearity import inward, rank_correlation, spearman, verdict
from experiments.report.show_map import View, colour_data, view_data
from experiments.report.show_open_loop import Quantity, known_mean, sentence
from experiments.report.show_plan import outline
from experiments.report.show_run import wrapped
from experiments.report.show_training import losses
from experiments.report.sprites import sprite_sheet
from experiments.report.widget import widget
from worldmodel.insight.horizon import Errors


def test_a_sprite_lies_where_the_script_looks_for_it() -> None:
    pictures = np.zeros((5, 16, 16, 3), np.uint8)
    pictures[np.arange(5), :, :, 0] = 50 * np.arange(5)[:, None, None]
    found = sprite_sheet(pictures)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["source"].partition(",")[2]))))
    for i in range(5):
        x, y = 16 * (i % found["columns"]) + 8, 16 * (i // found["columns"]) + 8
        assert abs(int(sheet[y, x, 0]) - 50 * i) < 12  # WebP loses a little


def test_large_pictures_shrink_and_grey_ones_get_colours() -> None:
    assert sprite_sheet(np.zeros((2, 96, 96, 1), np.uint8))["size"] == 64


def test_data_cannot_end_its_own_element_and_unknown_numbers_are_null() -> None:
    text = widget("map", {"said": "</script>", "x": np.array([1.23456, np.nan]), "n": np.int64(3)})
    assert text.count("</script>") == 1
    found = json.loads(re.findall(r"json\">(.*)</script>", text)[0])
    assert found == {"said": "</script>", "x": [1.235, None], "n": 3}


def test_lines_pass_through_their_points_and_leave_out_what_is_unknown() -> None:
    x, y = np.arange(4.0), np.array([0.0, 1.0, np.nan, 3.0])
    chart = line_chart([Series("a <b>", x, y, 2, y - 1, y + 1)], "steps")
    points = re.findall(r'polyline class="c2 " points="([^"]*)"', chart)[0].split()
    assert len(points) == 3
    heights = [float(point.partition(",")[2]) for point in points]
    assert heights[0] - heights[1] == pytest.approx((heights[0] - heights[2]) / 3, abs=0.02)
    assert "a &lt;b&gt;" in chart
    assert "<span" in line_chart([Series("a", np.array([100000.0]), np.array([2.0]), 0, dots=True)], "updates")
    assert "no finite value" in line_chart([Series("a", x, np.full(4, np.nan))], "steps")
    assert "no finite value" in line_chart([Series("a", np.full(4, np.nan), x, dots=True)], "steps")


def test_the_outline_is_two_standard_deviations_wide() -> None:
    places = np.random.default_rng(0).normal(size=(4000, 1, 2)) * [3.0, 0.5] + [10, 20]
    ellipse = outline(places)[0]
    np.testing.assert_allclose(ellipse.mean(0), [10, 20], atol=0.2)
    np.testing.assert_allclose(np.ptp(ellipse, axis=0), [12, 2], rtol=0.08)


def test_rank_correlation_of_what_is_and_what_is_not_related() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    assert rank_correlation(x, np.exp(x)) == pytest.approx((1, 1, 1))
    y = x + rng.normal(size=60)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    found = rank_correlation(x, rng.normal(size=60))
    assert found is not None
    assert found[1] < 0 < found[2]
    assert rank_correlation(x, np.full(60, np.nan)) is None
    assert rank_correlation(x, np.zeros(60)) is None
    assert "foretells it all" in verdict("it all", x, np.exp(x))
    assert "the reverse" in verdict("it", x, -x)
    assert "cannot be said" in verdict("it", x, np.full(60, np.nan))


def test_changes_of_actions_point_inwards() -> None:
    actions = torch.tensor([[1.0], [-1.0], [0.9], [0.0]]).expand(4, 200)[..., None]
    moved = actions + inward(actions, torch.Generator().manual_seed(0))
    assert moved.abs().max() <= 1
    assert moved.std() > 0.4


def test_an_angle_goes_round_and_what_is_unknown_has_no_colour() -> None:
    angle = colour_data("pole angle", np.array([-math.pi, 0.0, np.nan]))
    assert angle["values"] == [0, 500, None]
    assert angle["stops"] == CIRCLE
    speed = colour_data("velocity", np.array([2.0, 4.0]))
    assert (speed["values"], speed["low"], speed["high"], speed["stops"]) == ([0, 1000], "2", "4", SCALE)
    assert colours_of(np.array([0.0, 1.0]), CIRCLE).tolist()[0] == colours_of(np.array([1.0]), CIRCLE).tolist()[0]


def test_angles_are_wrapped_for_their_colours_alone() -> None:
    truth = np.array([[3 * math.pi / 2, 9.0]])
    np.testing.assert_allclose(wrapped(("angle", "velocity"), truth), [[-math.pi / 2, 9.0]])


def test_views_keep_proportions() -> None:
    data = view_data(View("flat", np.array([[0.0, 0.0], [4.0, 2.0]]), ("a", "b")))
    np.testing.assert_allclose(data["points"], [[-1, -0.5], [1, 0.5]])
    np.testing.assert_allclose(data["half"], [1, 0.5])


@pytest.mark.parametrize(
    ("growth", "says"),
    [
        (0.3, "up to 3 steps ahead (0.3 s), no further"),
        (0.01, "for all 8 steps"),
        (9.0, "already the first"),
        (np.nan, "not finite"),
    ],
)
def test_break_even_in_words(growth: float, says: str) -> None:
    model = np.tile(growth * np.arange(1, 9), (5, 1))
    errors = Errors(model, np.ones_like(model), np.zeros_like(model))
    assert says in sentence(Quantity("image", "", errors), 0.1)


def test_means_of_what_is_known() -> None:
    np.testing.assert_array_equal(known_mean(np.array([[1.0, np.nan], [3.0, np.inf]])), [2, np.nan])


def test_losses_are_read_by_term() -> None:
    lines = [{"updates": 5, "kl": 2.0}, {"updates": 5, "returns": [1.0]}, {"updates": 9, "kl": 1.0, "image": 7.0}]
    found = losses(lines)
    assert list(found) == ["kl", "image"]
    assert found["kl"][0].tolist() == [5, 9]
    assert found["image"][1].tolist() == [7]


def test_figures_draw_what_they_are_told(tmp_path: Path) -> None:
    figure = Figure(60, 40)
    figure.dots(np.array([[30.0, 20.0]]), np.array([[255, 0, 0]]), 6)
    figure.line(np.array([[0.0, 5.0], [60.0, 5.0]]), "#0000ff", 2, dashed=True)
    figure.picture(2, 26, envs.task("pendulum").draw(np.zeros((1, 2)), 16)[0], 12)
    figure.save(tmp_path / "figure.png")
    pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB")).astype(int)
    assert pixels[20, 30].tolist() == [255, 0, 0]
    row = pixels[5, :, 0]
    assert 0.3 < (row < 128).mean() < 0.9  # dashes and gaps
    assert (pixels[26:38, 2:14] < 200).any()
