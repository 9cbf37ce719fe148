"""The rasteriser against areas, centroids and exact pixels that are known."""

import math

import numpy as np
import pytest

from envs.draw import Canvas, ground, heading

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def canvas(size=32, batch=1):
    return Canvas(ground(size, BLACK), batch)


def share(picture):
    """How much of each pixel is white, ``[size, size]``."""
    return picture[..., 0] / 255.0


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("radius", [0.15, 0.3, 0.55])
def test_area_of_a_disc(size, radius):
    page = canvas(size)
    page.disc(np.array([0.053, -0.027]), radius, WHITE)
    assert share(page.pixels[0]).sum() * (2 / size) ** 2 == pytest.approx(math.pi * radius**2, rel=0.025)


def test_centroid_of_a_disc_follows_its_centre_far_below_a_pixel():
    centres = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 2))
    page = canvas(32, 50)
    page.disc(centres, 0.2, WHITE)
    axis = (np.arange(32) + 0.5) / 16 - 1
    weight = page.pixels[..., 0].astype(float)
    x = (weight.sum(1) * axis).sum(-1) / weight.sum((1, 2))
    y = (weight.sum(2) * -axis).sum(-1) / weight.sum((1, 2))
    pixel = 2 / 32
    assert np.abs(np.stack([x, y], 1) - centres).max() < 0.03 * pixel


def test_area_of_a_capsule():
    page, radius = canvas(64), 0.11
    page.capsule(np.array([-0.4, -0.3]), np.array([0.35, 0.42]), radius, WHITE)
    expected = 2 * radius * math.hypot(0.75, 0.72) + math.pi * radius**2
    assert share(page.pixels[0]).sum() * (2 / 64) ** 2 == pytest.approx(expected, rel=0.01)


def test_capsule_of_no_length_is_a_disc():
    disc, capsule, centre = canvas(), canvas(), np.array([0.1, 0.23])
    disc.disc(centre, 0.3, WHITE)
    capsule.capsule(centre, centre, 0.3, WHITE)
    assert (disc.pixels == capsule.pixels).all()


def test_rectangle_on_pixel_borders_is_exact():
    page = canvas(8)
    page.rectangle(np.array([0.25, 0.5]), 0.5, 0.25, WHITE)
    expected = np.zeros((8, 8))
    expected[1:3, 3:7] = 1  # rows count from the top
    assert (share(page.pixels[0]) == expected).all()


def test_rectangle_half_way_over_a_pixel_is_half_grey():
    page = canvas(8)
    page.rectangle(np.array([0.125, 0.0]), 0.5, 0.5, WHITE)
    assert page.pixels[0, 4, :, 0].tolist() == [0, 0, 128, 255, 255, 255, 128, 0]


def test_up_is_up_and_right_is_right():
    page = canvas(32)
    page.disc(np.array([0.5, 0.5]), 0.2, WHITE)
    assert share(page.pixels[0])[:16, 16:].sum() == share(page.pixels[0]).sum() > 0


def test_shapes_out_of_the_picture_leave_it_alone_and_half_out_are_cut():
    page = canvas(32, 3)
    page.disc(np.array([[5.0, 0.0], [0.0, -40.0], [1.0, 0.0]]), 0.4, WHITE)
    assert not page.pixels[:2].any()
    assert share(page.pixels[2]).sum() * (2 / 32) ** 2 == pytest.approx(math.pi * 0.4**2 / 2, rel=0.02)


def test_shape_larger_than_the_picture_fills_it():
    page = canvas(16)
    page.disc(np.zeros(2), 3.0, WHITE)
    assert (page.pixels == 255).all()


def test_later_shapes_cover_earlier_ones():
    page = canvas(32)
    page.disc(np.zeros(2), 0.5, WHITE)
    page.disc(np.zeros(2), 0.3, (10, 20, 30))
    assert page.pixels[0, 16, 16].tolist() == [10, 20, 30]
    assert page.pixels[0, 16, 16 + 6].tolist() == [255, 255, 255]


def test_bits_do_not_depend_on_what_else_is_in_the_batch():
    rng = np.random.default_rng(1)
    start, end = rng.uniform(-1.2, 1.2, (2, 13, 2))
    many = canvas(32, 13)
    many.capsule(start, end, 0.1, WHITE)
    many.rectangle(end, 0.2, 0.1, (200, 50, 3))
    for i in range(13):
        one = canvas(32, 1)
        one.capsule(start[i : i + 1], end[i : i + 1], 0.1, WHITE)
        one.rectangle(end[i], 0.2, 0.1, (200, 50, 3))
        assert (one.pixels[0] == many.pixels[i]).all()


def test_heading_turns_clockwise_from_upwards():
    np.testing.assert_allclose(heading(np.array([0, np.pi / 2, np.pi])), [[0, 1], [1, 0], [0, -1]], atol=1e-15)
