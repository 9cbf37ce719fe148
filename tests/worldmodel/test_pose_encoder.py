"""Poses of single frames, and their change."""

import pytest
import torch

from worldmodel.encoders.pose import PoseEncoder
from worldmodel.images import PatchEncoder


def encoder(stack=2, pose=3, shown=2):
    torch.manual_seed(0)
    return PoseEncoder(PatchEncoder(16, 1, 12, width=4), (1, 16, 16), 12, pose, stack, shown, 8)


def test_latent_is_the_last_pose_and_its_change_times_the_gain():
    made, images = encoder(), torch.rand(5, 2, 16, 16)
    mean, raw = made.statistics(torch.zeros(5, 0), made.features(images)).chunk(2, -1)
    before, now = made.poses(images[:, :1]), made.poses(images[:, 1:])
    torch.testing.assert_close(mean[:, :3], now)
    torch.testing.assert_close(mean[:, 3:], made.log_gain.exp() * (now - before))
    assert (raw == raw[0, 0]).all()


def test_of_two_equal_frames_nothing_has_moved():
    still = torch.rand(4, 1, 16, 16).expand(-1, 2, -1, -1)
    mean, _ = encoder().statistics(torch.zeros(4, 0), encoder().features(still)).chunk(2, -1)
    assert (mean[:, 3:] == 0).all()


def test_one_frame_has_a_pose_alone():
    made, images = encoder(stack=1, shown=1), torch.rand(5, 1, 16, 16)
    mean, _ = made.statistics(torch.zeros(5, 0), made.features(images)).chunk(2, -1)
    torch.testing.assert_close(mean, made.poses(images))


def test_rows_of_a_window_are_what_the_filter_sees():
    made, images = encoder(), torch.rand(2, 4, 2, 16, 16)
    features = made.features(images)
    watched = made.watch(features, torch.zeros(2, 4, 1), torch.zeros(2, 4, dtype=torch.bool))
    for t in range(4):
        _, seen = made.remember(torch.zeros(2, 0), torch.zeros(2, 1), features[:, t])
        assert torch.equal(seen, watched[:, t])


def test_standardized_poses_have_mean_zero_and_std_one_even_where_few_pixels_change():
    made, frames = encoder(), torch.zeros(60, 1, 16, 16)
    frames[torch.arange(60), 0, torch.arange(60) % 16, torch.arange(60) // 16] = 1
    assert made.poses(frames).std(0).max() < 0.3
    made.standardize(frames)
    torch.testing.assert_close(made.poses(frames).mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.poses(frames).std(0), torch.ones(3))


def test_standardizing_survives_saving():
    one, other, frames = encoder(), encoder(), torch.rand(30, 1, 16, 16)
    one.standardize(frames)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.poses(frames), other.poses(frames))


def test_the_frame_before_is_remembered_where_an_observation_shows_one():
    """Two frames in the channels, or one after the other: the same latent; and nothing has moved at first."""
    made, images = encoder(shown=1), torch.rand(2, 3, 1, 16, 16)
    features, is_first = made.features(images), torch.zeros(2, 3, dtype=torch.bool)
    watched = made.statistics(features, made.watch(features, torch.zeros(2, 3, 1), is_first))
    both = torch.cat([images[:, :-1], images[:, 1:]], 2)
    torch.testing.assert_close(watched[:, 1:], encoder().statistics(both, encoder().features(both)))
    assert (watched[:, 0, 3:6] == 0).all()
    is_first[1, 2] = True
    watched = made.statistics(features, made.watch(features, torch.zeros(2, 3, 1), is_first))
    assert (watched[1, 2, 3:6] == 0).all()
    assert (watched[0, 2, 3:6] != 0).all()


def test_numbers_of_frames_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="stack=3 came"):
        encoder(stack=3)
    with pytest.raises(ValueError, match="show 2 frames, of which stack=1"):
        encoder(stack=1, shown=2)
