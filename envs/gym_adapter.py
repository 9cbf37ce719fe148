"""Any Gymnasium environment seen as the built-in ones are: square uint8 pictures, actions in [-1, 1]."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

STEPS = 1000  # decisions until an episode is cut whose environment has no limit of its own
ASK_FOR_PICTURES = {"render_mode": "rgb_array"}


class PixelAdapter(gym.Env[np.ndarray, np.ndarray]):
    """Pictures and actions of one Gymnasium environment in this package's form.

    Observation ``[size, size, channel]`` uint8: the environment's own where they are uint8 images ``[height, width]``
    or ``[height, width, 1 or 3]``, else what it renders; resized by Pillow (box filter; it stretches what is not
    square). Action ``[action]`` float32 in [-1, 1]: rescaled to the limits of a `Box`; of ``Discrete(n)`` the largest
    of n entries is chosen, so that one-hot is the natural form (``discrete`` is true then). The reward is the sum over
    ``repeat`` steps. ``info["state"]`` is the environment's own ``info["state"]``, else its observation where that is a
    vector.

    make: builds the environment, with the keyword ``render_mode`` where pictures must be rendered. steps: decisions
    until the episode is truncated, also if the environment has a longer limit of its own; None for that one's (its
    ``spec.max_episode_steps``, or its attribute ``episode_steps``), or 1000 where it tells none.
    Raises ValueError for spaces that have no such form.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - Gymnasium's own form

    def __init__(
        self,
        make: Callable[..., gym.Env[Any, Any]],
        size: int = 64,
        repeat: int = 1,
        steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if repeat < 1 or size < 8 or (steps is not None and steps < 1):
            raise ValueError(
                f"repeat and steps must be at least 1 and size at least 8 pixels, but came {repeat=}, {steps=}, {size=}"
            )
        self.size, self.repeat, self.render_mode = size, repeat, render_mode
        self.env, self._rendered = _with_pictures(make)
        self._actions = action_form(self.env.action_space)
        self.discrete = self._actions.discrete
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self._actions.width,), np.float32)
        shape = self.env.observation_space.shape or ()
        channels = 3 if self._rendered else shape[-1] if len(shape) == 3 else 1
        self.observation_space = gym.spaces.Box(0, 255, (size, size, channels), np.uint8)
        registered = self.env.spec.max_episode_steps if self.env.spec else None
        own = registered or getattr(self.env.unwrapped, "episode_steps", None)
        self.episode_steps = steps or (-(-own // repeat) if own else STEPS)
        self._taken = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; seed and options are the environment's."""
        super().reset(seed=seed)
        observation, info = self.env.reset(seed=seed, options=options)
        self._taken = 0
        return self._picture(observation), self._info(observation, info)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One decision, ``repeat`` steps of the environment."""
        native, total = self._actions.native(self._checked(action)), 0.0
        for _ in range(self.repeat):
            observation, reward, terminated, truncated, info = self.env.step(native)
            total += float(reward)
            if terminated or truncated:
                break
        self._taken += 1
        truncated = bool(truncated) or (self._taken >= self.episode_steps and not terminated)
        return self._picture(observation), total, bool(terminated), truncated, self._info(observation, info)

    def render(self) -> np.ndarray | None:
        """What the environment renders, in its own size; None without a render mode."""
        return None if self.render_mode is None else np.asarray(self.env.render())

    def close(self) -> None:
        self.env.close()

    def _checked(self, action: np.ndarray) -> np.ndarray:
        action = np.asarray(action)
        if action.shape != self.action_space.shape or not (np.abs(action) <= 1).all():  # also false for NaN
            raise ValueError(
                f"an action must have shape {self.action_space.shape} and lie within [-1, 1], but came {action}; clip "
                "it or look for NaN in the policy"
            )
        return action

    def _picture(self, observation: Any) -> np.ndarray:
        picture = _rendered(self.env) if self._rendered else np.asarray(observation)
        return resized(picture, self.size)

    def _info(self, observation: Any, info: dict[str, Any]) -> dict[str, Any]:
        told = info.get("state")
        if told is None and isinstance(observation, np.ndarray) and observation.ndim == 1:
            told = observation
        return {} if told is None else {"state": np.array(told, dtype=np.float64).ravel()}


@dataclass(frozen=True)
class Scaled:
    """Actions of a `Box`: [-1, 1] is stretched to its limits, or taken as it is where there are none."""

    space: gym.spaces.Box
    discrete: bool = False

    @property
    def width(self) -> int:
        return int(np.prod(self.space.shape))

    def native(self, action: np.ndarray) -> np.ndarray:
        bounded = np.isfinite(self.space.low) & np.isfinite(self.space.high)
        low, high = np.where(bounded, self.space.low, -1.0), np.where(bounded, self.space.high, 1.0)
        stretched = low + (action.reshape(self.space.shape).astype(np.float64) + 1) / 2 * (high - low)
        return stretched.astype(self.space.dtype)


@dataclass(frozen=True)
class OneHot:
    """Actions of ``Discrete(n)``: the largest of n entries is chosen."""

    space: gym.spaces.Discrete
    discrete: bool = True

    @property
    def width(self) -> int:
        return int(self.space.n)

    def native(self, action: np.ndarray) -> int:
        return int(self.space.start) + int(action.argmax())


def action_form(space: gym.Space[Any]) -> Scaled | OneHot:
    """Raises ValueError for spaces that are neither Box nor Discrete."""
    if isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return Scaled(space)
    if isinstance(space, gym.spaces.Discrete):
        return OneHot(space)
    raise ValueError(
        f"actions must be a Box of floats or Discrete, but the action space is {space}; wrap the environment, e.g. in "
        "gymnasium.wrappers.TransformAction"
    )


def resized(picture: np.ndarray, size: int) -> np.ndarray:
    """``[height, width]`` or ``[height, width, 1 or 3]`` uint8 -> ``[size, size, 1 or 3]``; a copy."""
    flat = picture[..., 0] if picture.ndim == 3 and picture.shape[-1] == 1 else picture
    if flat.shape[:2] != (size, size):
        flat = np.asarray(Image.fromarray(flat).resize((size, size), Image.Resampling.BOX))
    return flat[..., None].copy() if flat.ndim == 2 else flat.copy()


def is_image(space: gym.Space[Any]) -> bool:
    """Whether observations are pictures that can be taken as they are."""
    shape = space.shape or ()
    grey = len(shape) == 2 and min(shape) >= 8
    return isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and (grey or _is_colour(shape))


def _is_colour(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in (1, 3) and min(shape[:2]) >= 8


def _with_pictures(make: Callable[..., gym.Env[Any, Any]]) -> tuple[gym.Env[Any, Any], bool]:
    """The environment, and whether its pictures must be rendered."""
    _need_no_screen()
    env = make()
    if is_image(env.observation_space):
        return env, False
    env.close()
    _refuse_channels_first(env.observation_space)
    try:
        return make(**ASK_FOR_PICTURES), True
    except TypeError as error:
        raise ValueError(
            f"observations must be uint8 images [height, width, 1 or 3], or the environment must take "
            f"render_mode='rgb_array'; its observation space is {env.observation_space}, and it says: {error}"
        ) from error


def _need_no_screen() -> None:
    """Where there is none, pygame complains of that although it only draws in memory."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def _refuse_channels_first(space: gym.Space[Any]) -> None:
    shape = space.shape or ()
    if space.dtype == np.uint8 and len(shape) == 3 and shape[0] in (1, 3):
        raise ValueError(
            f"pictures must be [height, width, channel], but the observation space is {shape}, channels first; "
            "transpose them, e.g. with gymnasium.wrappers.TransformObservation"
        )


def _rendered(env: gym.Env[Any, Any]) -> np.ndarray:
    picture = np.asarray(env.render())
    if picture.dtype != np.uint8 or not _is_colour(picture.shape):
        raise ValueError(
            f"render() must give a uint8 picture [height, width, 3], but came {picture.dtype} {picture.shape}; for "
            "other layouts make pictures the observation"
        )
    return picture
