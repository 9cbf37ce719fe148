"""Checkpoints: weights, optimizers, random generators and counters, to the bit, and safe to load from strangers.

A checkpoint is a folder of plain files (see `worldmodel.checkpoint_files` for how it survives a crash):

    model.safetensors   weights and buffers of the module
    NAME.safetensors    the same of what is learned beside it, e.g. an agent
    config.json         what is needed to build the module again: environment, sizes, choices
    progress.json       counters and seeds
    random.json         states of the random generators
    optimizers.pt       states of the optimizers, read without running any code in it
    manifest.json       format, version, size and checksum of each file

All functions raise `CheckpointError`, which says the rule, what came, and what to do. Where they take a ``folder`` to
load from it may be the folder given to `save`, which means its newest checkpoint, or one checkpoint in it.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from worldmodel.checkpoint_files import CheckpointError, newest, read, write

__all__ = ["CheckpointError", "Generator", "load_config", "load_progress", "load_weights", "newest", "restore", "save"]

Generator = torch.Generator | np.random.Generator
NOTHING: Mapping[str, nn.Module] = {}


class Stateful(Protocol):
    """An optimiser, or what else has a state of tensors and numbers beside the weights."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


def save(
    folder: str | Path,
    module: nn.Module,
    optimizers: Mapping[str, Stateful],
    config: Mapping[str, Any],
    progress: Mapping[str, Any],
    generators: Mapping[str, Generator],
    keep: int = 2,
    beside: Mapping[str, nn.Module] = NOTHING,
) -> Path:
    """Write a checkpoint whole or not at all and keep the newest ``keep``; returns its folder.

    config, progress: anything that JSON can hold. optimizers may be empty, for a checkpoint to use but not to resume.
    beside: other modules by name.
    """
    if keep < 1:
        raise CheckpointError(
            f"At least 1 checkpoint must be kept; {keep} came. Ask for 2, the last and the one before."
        )
    files = {
        "model.safetensors": _weights(module),
        "config.json": _json("config", config),
        "progress.json": _json("progress", progress),
        "random.json": _json("generators", {name: _state(generator) for name, generator in generators.items()}),
        "optimizers.pt": _optimizers(optimizers),
        **{f"{name}.safetensors": _weights(part) for name, part in beside.items()},
    }
    return write(Path(folder), files, keep)


def load_config(folder: str | Path) -> dict[str, Any]:
    """The ``config`` given to `save`."""
    return json.loads(read(newest(Path(folder)), "config.json"))


def load_progress(folder: str | Path) -> dict[str, Any]:
    """The ``progress`` given to `save`."""
    return json.loads(read(newest(Path(folder)), "progress.json"))


def load_weights(folder: str | Path, module: nn.Module, name: str = "model") -> None:
    """Put the stored weights into ``module``, wherever its parameters are. It is unchanged when they do not fit.

    name: of a module that was saved ``beside`` the model.
    """
    path = newest(Path(folder))
    _put_weights(path, read(path, f"{name}.safetensors"), module)


def restore(
    folder: str | Path,
    module: nn.Module,
    optimizers: Mapping[str, Stateful],
    generators: Mapping[str, Generator],
    beside: Mapping[str, nn.Module] = NOTHING,
) -> dict[str, Any]:
    """Put back everything that `save` was given, under the same names, and return the progress.

    All files are read and checked before anything is changed.
    """
    path = newest(Path(folder))
    read(path, "config.json")
    weights, progress = read(path, "model.safetensors"), json.loads(read(path, "progress.json"))
    others = {name: read(path, f"{name}.safetensors") for name in beside}
    random, stored = json.loads(read(path, "random.json")), _read_optimizers(path)
    _check_names(path, "optimizers", stored, optimizers)
    _check_names(path, "generators", random, generators)
    _put_weights(path, weights, module)
    for name, part in beside.items():
        _put_weights(path, others[name], part)
    for name, optimizer in optimizers.items():
        _put_optimizer(path, name, stored[name], optimizer)
    for name, generator in generators.items():
        _put_state(path, name, random[name], generator)
    return progress


def _weights(module: nn.Module) -> bytes:
    # Clones, because safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in module.state_dict().items()}
    return safetensors.torch.save(tensors)


def _put_weights(path: Path, data: bytes, module: nn.Module) -> None:
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise CheckpointError(f"The weights in {path} must be tensors; {error}. Train again.") from error
    problems = _misfits(tensors, module.state_dict())
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise CheckpointError(
            f"Weights must fit the model; in {path}: {'; '.join(problems[:3])}{more}. They are of a model for another "
            "environment or of other sizes: build the model from the config stored beside them."
        )
    module.load_state_dict(tensors)


def _misfits(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    problems = [f"{name} is missing" for name in wanted if name not in stored]
    problems += [f"{name} is not in the model" for name in stored if name not in wanted]
    problems += [
        f"{name} has the shape {list(stored[name].shape)}, the model's has {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in stored and stored[name].shape != tensor.shape
    ]
    return problems


def _optimizers(optimizers: Mapping[str, Stateful]) -> bytes:
    buffer = io.BytesIO()
    torch.save({name: optimizer.state_dict() for name, optimizer in optimizers.items()}, buffer)
    return buffer.getvalue()


def _read_optimizers(path: Path) -> dict[str, Any]:
    data = read(path, "optimizers.pt")
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"optimizers.pt must hold tensors and numbers only; that in {path} does not and was not run. "
            "Do not use it: someone may have tampered with it."
        ) from error


def _put_optimizer(path: Path, name: str, stored: dict[str, Any], optimizer: Stateful) -> None:
    try:
        optimizer.load_state_dict(stored)
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"The state of an optimizer must be of one with the same parameters; {name} in {path} is not: {error}. "
            "Build it as it was built for the run that wrote the checkpoint."
        ) from error


def _state(generator: Generator) -> dict[str, Any]:
    if isinstance(generator, torch.Generator):
        return {"torch": generator.device.type, "state": bytes(generator.get_state().tolist()).hex()}
    return {"numpy": _plain(generator.bit_generator.state)}


def _plain(state: Any) -> Any:
    """Arrays, in the states of some of NumPy's generators, as lists."""
    if isinstance(state, Mapping):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state


def _put_state(path: Path, name: str, stored: dict[str, Any], generator: Generator) -> None:
    try:
        if isinstance(generator, torch.Generator):
            generator.set_state(torch.tensor(list(bytes.fromhex(stored["state"])), dtype=torch.uint8))
        else:
            generator.bit_generator.state = stored["numpy"]
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"A generator must be of the kind and on the device that it was saved from; {name} in {path} is of "
            f"{next(iter(stored.items()), None)!s:.40}. Create it the same way."
        ) from error


def _check_names(path: Path, what: str, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if set(stored) != set(wanted):
        raise CheckpointError(
            f"All {what} of a checkpoint must be restored, under their names; {path} holds {sorted(stored)} and "
            f"{sorted(wanted)} came. Pass the same ones as to save."
        )


def _json(what: str, value: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(value, indent=1).encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{what} must hold what JSON can: numbers, texts, lists, mappings; {error}. Convert it first."
        ) from error
