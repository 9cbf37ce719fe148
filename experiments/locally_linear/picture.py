"""The map of the latent, as in Embed to Control: a grid of true states, encoded and drawn."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import torch
from PIL import Image, ImageDraw

import envs
from worldmodel.sequence_vae import SequenceVAE

SIDE, MARGIN, DOT = 480, 24, 3
PAPER = (250, 249, 246)
STEPS = 2  # pixels between the plane's states
ANGLES, VELOCITIES = 72, 15


def latent_picture(task: str, model: SequenceVAE) -> Image.Image | None:
    """Left the true states, right where the model puts them, in the same colours; None for tasks without a map."""
    if task == "planar":
        states, colours = plane()
        latents = encoded("e2c-planar", model, states)
        return side_by_side(states * (1, -1), latents, colours)
    if task in ("balance", "swingup"):
        states, colours = cylinder()
        latents = encoded("e2c-balance", model, states)
        return side_by_side(oblique(true_cylinder(states)), oblique(latent_cylinder(latents)), colours)
    return None


def plane() -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Free states ``[count, 2]``; hue from x, lightness from y."""
    scattered, _ = envs.goal_tasks()["e2c-planar"].scatter(np.random.default_rng(0), 1600)  # all that are free
    free = np.unique(scattered, axis=0)
    kept = free[(free % STEPS == 0).all(-1)]
    return kept, [shade(0.75 * x / 40, y / 40) for x, y in kept]


def cylinder() -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """States ``[count, 3]`` of all angles and velocities, moving steadily; hue from angle, lightness from velocity."""
    task = envs.goal_tasks()["e2c-balance"]
    fastest = 3 * math.pi
    around = np.linspace(-math.pi, math.pi, ANGLES, endpoint=False)
    angle, velocity = (x.ravel() for x in np.meshgrid(around, np.linspace(-fastest, fastest, VELOCITIES)))
    states = np.stack([angle, velocity, angle - velocity * task.seconds_per_step], axis=-1)
    colours = [shade(a / (2 * math.pi), v / (2 * fastest) + 0.5) for a, v in states[:, :2].tolist()]
    return states, colours


def encoded(env: str, model: SequenceVAE, states: np.ndarray) -> np.ndarray:
    task = envs.goal_tasks()[env]
    pictures = torch.from_numpy(task.draw(states, task.size))
    rest = torch.zeros(len(states), task.action_size)
    with torch.no_grad():
        return model.filter(model.initial(len(states)), rest, pictures).state.stoch.numpy()


def true_cylinder(states: np.ndarray) -> np.ndarray:
    """Angle around, velocity upwards, ``[count, 3]``."""
    return np.stack([np.sin(states[:, 0]), np.cos(states[:, 0]), states[:, 1] / 5], axis=-1)


def latent_cylinder(latents: np.ndarray) -> np.ndarray:
    """Pose ``[count, 2]`` around, and upwards the change of pose across it: their cross product, ``[count, 3]``."""
    pose, change = latents[:, :2] - latents[:, :2].mean(0), latents[:, 2:]
    across = pose[:, 0] * change[:, 1] - pose[:, 1] * change[:, 0]
    return np.concatenate([pose, across[:, None]], axis=-1)


def oblique(points: np.ndarray) -> np.ndarray:
    """``[count, 3]`` seen from above at a slant, ``[count, 2]``."""
    scaled = points / points.std(0)
    return np.stack([scaled[:, 0], 0.45 * scaled[:, 1] + 0.9 * scaled[:, 2]], axis=-1)


def side_by_side(true: np.ndarray, latent: np.ndarray, colours: list[tuple[int, int, int]]) -> Image.Image:
    image = Image.new("RGB", (2 * SIDE, SIDE), PAPER)
    pen = ImageDraw.Draw(image)
    for offset, points in ((0, true), (SIDE, latent)):
        middle, reach = (points.max(0) + points.min(0)) / 2, np.ptp(points, axis=0).max() / 2
        for (x, y), colour in zip((points - middle) / reach * (SIDE / 2 - MARGIN), colours, strict=True):
            column, row = offset + SIDE / 2 + x, SIDE / 2 - y
            pen.ellipse((column - DOT, row - DOT, column + DOT, row + DOT), fill=colour)
    return image


def shade(hue: float, light: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, 0.25 + 0.5 * light, 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)
