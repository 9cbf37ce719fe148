"""Pictures of a MuJoCo model: one renderer that is kept for good, or ray casting where there is no graphics library."""

from __future__ import annotations

import atexit
import functools
import weakref
from typing import Literal, Protocol, get_args

import mujoco
import numpy as np

from envs import graphics
from envs.raycast import RayCaster

Render = Literal["smooth", "fast", "default", "rays"]
RENDERS: tuple[str, ...] = get_args(Render)
SAMPLES = 4  # of a pixel, as many as MuJoCo takes itself


class Pictures(Protocol):
    """Draws the scene of one model; `close` frees what the graphics library holds."""

    def render(self, data: mujoco.MjData) -> np.ndarray: ...
    def close(self) -> None: ...


def resolve(render: str | None) -> Render:
    """What None stands for on this machine: ``smooth``, or ``rays`` where there is no graphics library.

    ``default``: MuJoCo's renderer as it is; ``smooth``: without shadows and reflections, some 15 times as fast in
    software; ``fast``: without anti-aliasing either, some 30 times; ``rays``: `envs.raycast`, without anti-aliasing.
    Where edges are not smooth, a thin thing's place is known less exactly (docs/log.md). Pictures of the four are
    not to be mixed. Raises ValueError for other names, and for renderers that cannot be had here.
    """
    if render is None:
        return "rays" if graphics.backend() == graphics.RAYS else "smooth"
    if render not in RENDERS:
        raise ValueError(f"render must be one of {', '.join(RENDERS)}, but came {render!r}")
    if render != "rays" and graphics.backend() == graphics.RAYS:
        raise ValueError(
            f"render={render} needs a graphics library, and there is none here; install one ({graphics.BETTER}), or "
            "take render=rays, whose pictures differ: a model that learned from the one cannot be used with the other"
        )
    return render  # type: ignore[return-value]


def pictures(model: mujoco.MjModel, size: int, render: Render, camera: int = 0) -> Pictures:
    """``smooth`` and ``fast`` set the model's visual quality, before the first picture."""
    if render == "rays":
        return RayCaster(model, size, camera)
    if render != "default":
        simplify(model, SAMPLES if render == "smooth" else 0)
    return GraphicsLibrary(model, size, camera)


class GraphicsLibrary:
    """A `mujoco.Renderer`, freed at the latest before its library is shut down at the end of the process."""

    def __init__(self, model: mujoco.MjModel, size: int, camera: int) -> None:
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        self._renderer, self._camera = _renderer(model, size), camera
        self._at_exit = functools.partial(_close_if_alive, weakref.ref(self._renderer))
        atexit.register(self._at_exit)  # runs before what the library registered when its first context was made

    def render(self, data: mujoco.MjData) -> np.ndarray:
        """The scene as it is in ``data``: ``[size, size, 3]`` uint8."""
        self._renderer.update_scene(data, camera=self._camera)
        return self._renderer.render()

    def __del__(self) -> None:
        if hasattr(self, "_renderer"):  # absent where it could not be made
            self.close()

    def close(self) -> None:
        """Free what the library holds."""
        atexit.unregister(self._at_exit)
        _close(self._renderer)


def simplify(model: mujoco.MjModel, samples: int) -> None:
    """No shadows or reflections, coarse spheres and floors; so many samples a pixel, 0 for no anti-aliasing."""
    quality = model.vis.quality
    quality.offsamples, quality.shadowsize = samples, 0
    quality.numslices, quality.numstacks, quality.numquads = 8, 6, 1
    model.mat_reflectance[:] = 0


def _renderer(model: mujoco.MjModel, size: int) -> mujoco.Renderer:
    try:
        return mujoco.Renderer(model, size, size)
    except Exception as error:  # each library has exceptions of its own
        raise RuntimeError(
            f"MuJoCo's renderer could not be made with {graphics.backend()}: {error!r}. MuJoCo chooses its library "
            f"when it is imported: set MUJOCO_GL={graphics.backend()} before anything imports mujoco"
        ) from error


def _close(renderer: mujoco.Renderer) -> None:
    """MuJoCo frees what is on the library's side in whatever context is current: with several renderers in a process,
    another one's, or none, which ends in a segmentation fault.
    """
    if renderer._gl_context:
        renderer._gl_context.make_current()
    renderer.close()


def _close_if_alive(renderer: weakref.ref[mujoco.Renderer]) -> None:
    if (alive := renderer()) is not None:
        _close(alive)
