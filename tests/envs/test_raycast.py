"""Ray casting beside MuJoCo's own single rays and beside known answers."""

import mujoco
import numpy as np
import pytest

from envs import dmc
from envs.raycast import GROUPS, RayCaster, directions, widen_bounds

BALL = """<mujoco><visual><headlight ambient="1 1 1" diffuse="0 0 0" active="1"/></visual>
<worldbody><camera pos="0 0 4" fovy="90"/>{}</worldbody></mujoco>"""


def scene(content, size=32):
    model = mujoco.MjModel.from_xml_string(BALL.format(content))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return RayCaster(model, size).render(data)


def test_a_ball_is_a_disc_of_the_right_size_and_colour():
    picture = scene('<geom size="1" rgba="1 0 0 1"/>', size=200)
    red = picture[..., 0] == 255
    radius = 100 * np.tan(np.arcsin(1 / 4))  # of the cone that touches the ball, on the picture plane
    assert np.sqrt(red.sum() / np.pi) == pytest.approx(radius, rel=0.01)
    assert (picture[red] == [255, 0, 0]).all()
    assert (picture[~red] == picture[0, 0]).all()


def test_right_is_right_and_up_is_up():
    picture = scene('<geom pos="2 0 0" size=".5" rgba="1 0 0 1"/><geom pos="0 2 0" size=".5" rgba="0 1 0 1"/>')
    assert picture[16, 24, 0] == 255
    assert picture[8, 16, 1] == 255


def test_light_falls_by_the_cosine():
    lamp = '<light directional="true" dir="0 0 -1" diffuse=".5 .5 .5" ambient="0 0 0" specular="0 0 0"/>'
    plane = '<geom type="plane" size="9 9 1" euler="60 0 0" rgba="1 1 1 1"/>'
    xml = BALL.replace('active="1"', 'active="0"').format(lamp + plane)
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert RayCaster(model, 9).render(data)[4, 4].tolist() == [64, 64, 64]  # 255 · 0.5 · cos 60°


def test_spherical_sites_are_seen_and_hidden_behind_what_is_nearer():
    site = '<site pos="0 0 0" size="1" rgba="0 1 0 1"/>'
    assert scene(site)[16, 16].tolist() == [0, 255, 0]
    assert scene(site + '<geom type="box" pos="0 0 2" size="1 1 .1" rgba="1 0 0 1"/>')[16, 16].tolist() == [255, 0, 0]
    assert scene('<site size="1" rgba="0 1 0 0"/>')[16, 16].tolist() != [0, 255, 0]


@pytest.mark.parametrize("name", ["finger-spin", "walker-walk", "humanoid-walk"])
def test_what_a_bundle_of_rays_meets_is_what_single_rays_meet(name):
    """MuJoCo bounds bodies by the geoms that collide; the finger's do not all, and were cut off."""
    env = dmc.DmcEnv(name, render="rays")
    env.reset(seed=0)
    model, data = env._model, env._suite.physics.data.ptr
    caster = env._pictures
    eye = data.cam_xpos[0]
    rays = directions(float(model.cam_fovy[0]), 24) @ data.cam_xmat[0].reshape(3, 3).T
    met, distance, _ = RayCaster._cast(caster, data, eye, rays)
    geom = np.zeros(1, dtype=np.int32)
    for i, ray in enumerate(rays):
        alone = mujoco.mj_ray(model, data, eye, ray, GROUPS, True, -1, geom)
        assert met[i] == geom[0]
        assert alone == pytest.approx(distance[i], abs=1e-9) or geom[0] < 0


def test_wider_bounds_change_no_physics():
    states = []
    for widen in (True, False):
        plain = dmc._suite().load("walker", "walk", task_kwargs={"random": 0})
        if widen:
            widen_bounds(plain.physics.model.ptr)
        plain.reset()
        rng = np.random.default_rng(1)
        for _ in range(100):
            plain.step(rng.uniform(-1, 1, 6))
        states.append(plain.physics.get_state())
    assert (states[0] == states[1]).all()
