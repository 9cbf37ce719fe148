"""Published systems as choices of parts: `worldmodel train PRESET --model NAME`.

Each changes only what it is made of: sizes of images and hidden layers, and everything about the run, stay those of the
task's preset. Any field can be changed after it, e.g. ``--model slac --model.encoder recurrent``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from experiments.errors import unknown
from worldmodel.build import ModelConfig


class ModelPreset(NamedTuple):
    """what: in one line, with the source. fields: of `ModelConfig`."""

    what: str
    fields: dict[str, Any]


PAIRS = {"dynamics": "locally-linear", "encoder": "frame", "stack": 2, "stoch": 8, "likelihood": "bernoulli"}

MODELS = {
    "planet": ModelPreset(
        "RSSM, encoder that sees its state and the frame (Hafner 2019): the default",
        {"dynamics": "rssm", "encoder": "state"},
    ),
    "dreamer": ModelPreset(
        "RSSM with categorical latents, KL balance (Hafner 2021, 2023)",
        {"dynamics": "categorical", "encoder": "state", "stoch": 64, "classes": 8},
    ),
    "slac": ModelPreset(
        "two-level Gaussian state-space model, no deterministic path (Lee 2020)",
        {"dynamics": "two-level", "encoder": "state", "stoch": 48, "first_level": 16},
    ),
    "linear": ModelPreset(
        "one linear-Gaussian model for all states, two frames (the prior of SOLAR, Zhang 2019)",
        {"dynamics": "linear-gaussian", "encoder": "frame", "stack": 2, "free_nats": 0.0},
    ),
    "e2c": ModelPreset(
        "locally linear, two frames, pairs of frames (Watter 2015)",
        PAIRS | {"objective": "e2c", "consistency": 0.25},
    ),
    "pcc": ModelPreset(
        "locally linear, two frames, prediction, consistency and curvature (Levine 2020)",
        PAIRS | {"objective": "pcc", "beta": 0.01, "consistency": 7.0, "curvature": 1.0},
    ),
    "pc3": ModelPreset(
        "locally linear, two frames, predictive coding without a decoder (Shu 2020)",
        PAIRS | {"objective": "pc3", "consistency": 1.0, "curvature": 7.0},
    ),
}


def as_published(name: str, model: ModelConfig) -> ModelConfig:
    """``model`` made of the parts of the system ``name``. Raises UserError, with the nearest name, for another."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return replace(model, **MODELS[name].fields)
