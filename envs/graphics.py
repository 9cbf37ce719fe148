"""Which graphics library MuJoCo draws with on this machine, found without risk: in a process of its own.

MuJoCo and dm_control read ``MUJOCO_GL`` when they are imported, cache a failure for good, and may die at the import. So
the libraries are tried in a subprocess, and what works is put into ``MUJOCO_GL`` before either is imported here;
processes that are started later inherit the answer. Without any library it is ``disable``, and pictures are made by ray
casting (`envs.raycast`).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import subprocess
import sys

RAYS = "rays"
OFF = ("disable", "disabled", "off", "false", "0")  # as MuJoCo and dm_control read them
TRIED = "WORLDMODEL_MUJOCO_GL"  # tells later processes that this value of MUJOCO_GL has been tried
SECONDS = 60  # a probe that hangs longer is killed
PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><geom size="1" rgba="1 0 0 1"/></worldbody></mujoco>')
with mujoco.Renderer(model, 8, 8) as renderer:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer.update_scene(data)
    assert renderer.render().any()
"""
BETTER = "apt-get install libegl1 libgl1 (or libosmesa6)"


@functools.cache
def backend() -> str:
    """``egl``, ``osmesa`` or ``glfw``; `RAYS` where none of them draws. Sets ``MUJOCO_GL`` to it if it is not set.

    Raises RuntimeError where ``MUJOCO_GL`` names what does not work here.
    """
    os.environ.setdefault("LP_NUM_THREADS", "1")  # software Mesa: more threads are slower at 64 × 64
    asked = os.environ.get("MUJOCO_GL", "").lower().strip()
    if asked in OFF:
        return RAYS
    if asked:
        found: str | None = _required(asked)
    else:
        found = next((name for name in _candidates() if draws(name)), None)
    os.environ["MUJOCO_GL"] = os.environ[TRIED] = found or OFF[0]
    if found:
        _load_triton_first()
    return found or RAYS


def draws(name: str) -> bool:
    """Whether MuJoCo draws a picture with this library, tried in a process of its own that is always waited for."""
    environment = os.environ | {"MUJOCO_GL": name, "LP_NUM_THREADS": "1"}
    environment.pop("PYOPENGL_PLATFORM", None)
    try:
        ended = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return False
    return ended.returncode == 0


def describe() -> str:
    """One line: what is in use, and how to get a better one."""
    name = backend()
    if name != RAYS:
        return f"pictures: MuJoCo's renderer with {name} (MUJOCO_GL={name})"
    return f"pictures: ray casting (MUJOCO_GL={OFF[0]}, or no graphics library); faster with one: {BETTER}"


def _candidates() -> tuple[str, ...]:
    """glfw needs a screen."""
    if sys.platform != "linux":
        return ("glfw",)
    return ("egl", "osmesa", "glfw") if os.environ.get("DISPLAY") else ("egl", "osmesa")


def _load_triton_first() -> None:
    """Software Mesa and Triton each bring their LLVM, and Triton's dies (segmentation fault) where Mesa's is loaded.

    The other way round both work. Torch imports Triton at the first optimiser, where it is installed.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")


def _required(name: str) -> str:
    if os.environ.get(TRIED) != name and not draws(name):
        raise RuntimeError(
            f"MUJOCO_GL must name a graphics library that works; {name} came and draws nothing here. "
            f"Unset it to have one looked for, set it to {OFF[0]} for ray casting, or install one: {BETTER}."
        )
    return name
