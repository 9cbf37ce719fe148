"""`worldmodel models`: what can be learned with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import tyro
from rich import box
from rich.console import Console
from rich.table import Column, Table

from experiments.model_presets import MODELS
from worldmodel.build import ModelConfig


@dataclass(frozen=True)
class Arguments:
    """List the published systems that `worldmodel train PRESET --model NAME` makes of parts."""


def run(argv: list[str]) -> None:
    tyro.cli(Arguments, prog="worldmodel models", args=argv)
    Console().print(table())
    print("worldmodel train pendulum --model slac --model.encoder recurrent   any part can be another")


def table() -> Table:
    shown = Table(Column("model", no_wrap=True), "dynamics", "encoder", "objective", "source", box=box.SIMPLE)
    for name, preset in MODELS.items():
        model = replace(ModelConfig(), **preset.fields)
        frames = f", {model.stack} frames" if model.stack > 1 else ""
        shown.add_row(name, model.dynamics, model.encoder + frames, model.objective, preset.source)
    return shown
