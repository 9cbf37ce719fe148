"""Pictures of a MuJoCo scene by ray casting: no graphics library, one ray per pixel.

`mujoco.mj_multiRay` finds what each ray meets and the surface's normal there; shading is vectorised NumPy: ambient and
diffuse light of the lamps and of the head light by Lambert's law (no shadows, highlights or reflections), textures on
planes. Spherical sites are intersected here: MuJoCo's rays pass through sites, and some targets are sites. Tendons,
skins and other textures are not drawn, so these pictures are not those of MuJoCo's renderer.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

GROUPS = np.array([1, 1, 1, 0, 0, 0], dtype=np.uint8)  # of geoms and sites: what MuJoCo shows by default
FAR = 1e9
SKY = (0.3, 0.4, 0.5)  # of scenes without a sky texture
PLANE, SPHERE = int(mujoco.mjtGeom.mjGEOM_PLANE), int(mujoco.mjtGeom.mjGEOM_SPHERE)
RGB = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)
SKYBOX, FLAT = int(mujoco.mjtTexture.mjTEXTURE_SKYBOX), int(mujoco.mjtTexture.mjTEXTURE_2D)
BLOCK = 10  # pixels of a texture that become one
DIRECTIONAL = int(mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)


class RayCaster:
    """Draws one model as one of its cameras sees it; keeps nothing from picture to picture."""

    def __init__(self, model: mujoco.MjModel, size: int, camera: int = 0) -> None:
        self._model, self._size, self._camera = model, size, camera
        self._pixels = directions(float(model.cam_fovy[camera]), size)
        self._textures = {geom: texture for geom in range(model.ngeom) if (texture := plane_texture(model, geom))}
        self._sky = sky_colour(model)
        widen_bounds(model)

    def render(self, data: mujoco.MjData) -> np.ndarray:
        """The scene as it is in ``data``: ``[size, size, 3]`` uint8."""
        eye = data.cam_xpos[self._camera]
        rays = self._pixels @ data.cam_xmat[self._camera].reshape(3, 3).T
        met, distance, normal = self._cast(data, eye, rays)
        hit = np.flatnonzero(met >= 0)
        met, normal, rays = met[hit], normal[hit], rays[hit]
        points = distance[hit, None] * rays + eye
        surface = np.concatenate([colours(self._model, "geom"), colours(self._model, "site")])[met]
        for geom, texture in self._textures.items():
            there = np.flatnonzero(met == geom)
            if len(there):
                surface[there] *= texture.at(
                    (points[there] - data.geom_xpos[geom]) @ data.geom_xmat[geom].reshape(3, 3)
                )
        surface *= self._light(data, rays, points, normal)
        picture = np.empty((self._size**2, 3), dtype=np.uint8)
        picture[:] = self._sky
        picture[hit] = 255 * surface.clip(0, 1) + 0.5
        return picture.reshape(self._size, self._size, 3)

    def close(self) -> None:
        """Nothing to close."""

    def _cast(self, data: mujoco.MjData, eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, ...]:
        """What each ray meets (a geom; ``ngeom`` + a site; -1), how far away, and the normal there."""
        model, count = self._model, len(rays)
        met, distance, normal = np.empty(count, np.int32), np.empty(count), np.empty((count, 3))
        flat = normal.reshape(-1)
        mujoco.mj_multiRay(model, data, eye, rays.ravel(), GROUPS, True, -1, met, distance, flat, count, FAR)
        for site in spheres(model):
            centre, radius = data.site_xpos[site] - eye, float(model.site_size[site, 0])
            along = rays @ centre
            inside = along**2 - (centre @ centre - radius**2)
            reach = along - np.sqrt(inside.clip(0))
            nearer = np.flatnonzero((inside > 0) & (reach > 0) & ((met < 0) | (reach < distance)))
            met[nearer], distance[nearer] = model.ngeom + site, reach[nearer]
            normal[nearer] = (reach[nearer, None] * rays[nearer] - centre) / radius
        return met, distance, normal

    def _light(self, data: mujoco.MjData, rays: np.ndarray, points: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """``[points, 3]``: the light of all lamps."""
        model, head = self._model, self._model.vis.headlight
        light = np.zeros((len(points), 3), dtype=np.float32)
        if head.active:
            light += head.ambient
            light += lit(normal, -rays)[:, None] * head.diffuse.astype(np.float32)
        for lamp in np.flatnonzero(model.light_active).tolist():
            light += model.light_ambient[lamp]
            light += lamp_light(model, data, lamp, points, normal)[:, None] * model.light_diffuse[lamp]
        return light


@dataclass(frozen=True)
class PlaneTexture:
    """A texture that begins at one corner of a plane of half sizes ``half [2]`` and repeats ``per_unit [2]`` times per
    unit of length. pixels: ``[height, width, 3]`` in [0, 1].
    """

    pixels: np.ndarray
    half: np.ndarray
    per_unit: np.ndarray

    def at(self, points: np.ndarray) -> np.ndarray:
        """``[points, 3]`` in the plane's frame -> the nearest pixel's colour ``[points, 3]``."""
        height, width = self.pixels.shape[:2]
        column = ((points[:, 0] + self.half[0]) * self.per_unit[0] * width).astype(int) % width
        row = ((self.half[1] - points[:, 1]) * self.per_unit[1] * height).astype(int) % height
        return self.pixels[row, column]


def widen_bounds(model: mujoco.MjModel) -> None:
    """Let the bounds of every body hold all of its geoms.

    MuJoCo bounds a body by the geoms that collide, and `mj_multiRay` passes by what sticks out of that. Collisions are
    looked for within these bounds too, so wider ones change no contact.
    """
    for body in np.flatnonzero(model.body_bvhadr >= 0).tolist():
        first = model.body_geomadr[body]
        geoms = slice(first, first + model.body_geomnum[body])
        reach = np.linalg.norm(model.geom_pos[geoms] - model.body_ipos[body], axis=1) + model.geom_rbound[geoms]
        bounds = model.bvh_aabb[model.body_bvhadr[body]]
        bounds[3:] = np.maximum(bounds[3:] + np.abs(bounds[:3]), reach.max())
        bounds[:3] = 0


def directions(fovy: float, size: int) -> np.ndarray:
    """Unit vectors through the pixels' centres in the camera's frame ``[size², 3]``: it looks along -z, y is up."""
    steps = (2 * np.arange(size) + 1 - size) / size * np.tan(np.radians(fovy) / 2)
    x, y = np.meshgrid(steps, -steps)
    rays = np.stack([x.ravel(), y.ravel(), np.full(size * size, -1.0)], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def colours(model: mujoco.MjModel, kind: str) -> np.ndarray:
    """``[count, 3]`` of all geoms or sites as they are now: tasks repaint them. Their own colour, if they have one,
    else that of their material."""
    own, material = getattr(model, f"{kind}_rgba"), getattr(model, f"{kind}_matid")
    plain = (own == 0.5).all(axis=1) | (own == (0.5, 0.5, 0.5, 1.0)).all(axis=1)  # MuJoCo's default: not set
    use = (material >= 0) & plain
    found = own.copy()
    found[use] = model.mat_rgba[material[use]]
    return found[:, :3]


def spheres(model: mujoco.MjModel) -> list[int]:
    """Visible spherical sites."""
    shown = (model.site_type == SPHERE) & GROUPS[model.site_group.clip(0, 5)].astype(bool) & (model.site_rgba[:, 3] > 0)
    return np.flatnonzero(shown).tolist()


def sky_colour(model: mujoco.MjModel) -> np.ndarray:
    """``[3]`` uint8: the mean of the sky's texture."""
    for texture in np.flatnonzero(model.tex_type == SKYBOX).tolist():
        return pixels_of(model, texture).mean(axis=(0, 1)).astype(np.uint8)
    return (255 * np.array(SKY)).astype(np.uint8)


def plane_texture(model: mujoco.MjModel, geom: int) -> PlaneTexture | None:
    """Of a plane with a flat texture; None for all others."""
    material = int(model.geom_matid[geom])
    texture = int(model.mat_texid[material, RGB]) if material >= 0 else -1
    if model.geom_type[geom] != PLANE or texture < 0 or model.tex_type[texture] != FLAT:
        return None
    half, per_unit = model.geom_size[geom, :2].copy(), 0.5 * model.mat_texrepeat[material]
    if not model.mat_texuniform[material]:
        per_unit = per_unit / np.where(half > 0, half, 1.0)  # a half size of 0 stands for an endless plane
    return PlaneTexture(softened(pixels_of(model, texture)), half, per_unit)


def pixels_of(model: mujoco.MjModel, texture: int) -> np.ndarray:
    """``[height, width, 3]`` uint8."""
    height, width = int(model.tex_height[texture]), int(model.tex_width[texture])
    channels, start = int(model.tex_nchannel[texture]), int(model.tex_adr[texture])
    return model.tex_data[start : start + height * width * channels].reshape(height, width, channels)[..., :3]


def softened(pixels: np.ndarray) -> np.ndarray:
    """uint8 -> [0, 1], each pixel the mean of its block: single pixels would flicker."""
    block = next(size for size in range(BLOCK, 0, -1) if not (pixels.shape[0] % size or pixels.shape[1] % size))
    height, width = pixels.shape[0] // block, pixels.shape[1] // block
    return (pixels.reshape(height, block, width, block, 3).mean(axis=(1, 3)) / 255).astype(np.float32)


def lit(normal: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Lambert's law: the cosine between unit vectors, not below 0."""
    return np.einsum("ij,ij->i", normal, towards).clip(0).astype(np.float32)


def lamp_light(
    model: mujoco.MjModel, data: mujoco.MjData, lamp: int, points: np.ndarray, normal: np.ndarray
) -> np.ndarray:
    """``[points]``: share of the lamp's diffuse light; a spot light shines within its cone."""
    heading = data.light_xdir[lamp]
    if model.light_type[lamp] == DIRECTIONAL:
        return lit(normal, np.broadcast_to(-heading, normal.shape))
    towards = data.light_xpos[lamp] - points
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    cosine = -towards @ heading
    cone = np.where(
        cosine > np.cos(np.radians(model.light_cutoff[lamp])), cosine.clip(1e-6) ** model.light_exponent[lamp], 0
    )
    return lit(normal, towards) * cone.astype(np.float32)
