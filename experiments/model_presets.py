"""Published systems, and one of ours, as choices of parts: `worldmodel train PRESET --model NAME`.

Each changes only what it is made of: sizes of images and hidden layers, and everything about the run, stay those of the
task's preset. Any field can be changed after it, e.g. ``--model slac --model.encoder recurrent``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from experiments.errors import unknown
from worldmodel.build import ModelConfig


class ModelPreset(NamedTuple):
    """Where it was published, and the fields of `ModelConfig` that it sets."""

    source: str
    fields: dict[str, Any]


PAIRS = {"dynamics": "locally-linear", "encoder": "frame", "stack": 2, "stoch": 8, "likelihood": "bernoulli"}

MODELS = {
    "planet": ModelPreset("Hafner 2019 (default)", {"dynamics": "rssm", "encoder": "state"}),
    "dreamer": ModelPreset(
        "Hafner 2021, 2023", {"dynamics": "categorical", "encoder": "state", "stoch": 64, "classes": 8}
    ),
    "slac": ModelPreset("Lee 2020", {"dynamics": "two-level", "encoder": "state", "stoch": 48, "first_level": 16}),
    "linear": ModelPreset(  # SOLAR's prior, without what it infers per batch; balance and images: docs/log.md
        "SOLAR, Zhang 2019",
        {
            "dynamics": "linear-gaussian",
            "encoder": "frame",
            "stack": 2,
            "free_nats": 0.0,
            "balance": 0.5,
            "images": "patch",
        },
    ),
    "e2c": ModelPreset("Watter 2015", PAIRS | {"objective": "e2c", "consistency": 0.25}),
    "pcc": ModelPreset("Levine 2020", PAIRS | {"objective": "pcc", "beta": 0.01, "consistency": 7.0, "curvature": 1.0}),
    "pc3": ModelPreset("Shu 2020", PAIRS | {"objective": "pc3", "consistency": 1.0, "curvature": 7.0}),
    "pose": ModelPreset(  # docs/locally-linear.md
        "here, after Shu 2020",
        PAIRS
        | {
            "encoder": "pose",
            "objective": "predictive",
            "consistency": 0.3,
            "curvature": 10.0,
            "curvature_radius": 0.3,
            "spread": 5.0,
            "slowness": 5.0,
        },
    ),
}


def as_published(name: str, model: ModelConfig) -> ModelConfig:
    """``model`` made of the parts of the system ``name``. Raises UserError, with the nearest name, for another."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return replace(model, **MODELS[name].fields)
