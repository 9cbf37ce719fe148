"""A run as TensorBoard shows it: every number of `metrics.jsonl`, open-loop videos, and beliefs for the projector.

The log is the folder ``tensorboard`` of the run. A resumed run goes on with it: what came after the checkpoint is
marked as undone, which TensorBoard leaves out, and logged again.
"""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from experiments import environment, projector
from experiments.config import TrainConfig, to_json
from experiments.errors import UserError
from experiments.metrics import read
from experiments.report.show_run import held_out_episodes, observe
from experiments.training import Training
from experiments.unseen import kept_back
from experiments.video import video
from worldmodel.episode import Episode

FOLDER = "tensorboard"
PICTURES = 10  # times in a run: as many pictures of a name as TensorBoard keeps
PLAYED, SHOWN = 4, 16  # episodes played at the end, and looked at when pictures are due
POINTS = 600  # beliefs of a snapshot
COLLECTED = ("episodes", "predicted", "realised")


def require() -> None:
    """Raises UserError where the package is missing."""
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError(
            "--log tensorboard takes a package that is not installed (tensorboard). Install it with "
            'pip install "worldmodel-planners[tensorboard]", or leave --log out: metrics.jsonl has the numbers.'
        )


class TensorBoardLog:
    """Implements `experiments.training.Tracker`; use as a context manager.

    Starts after the last checkpoint of the run in ``folder``, ``updates`` in; a log that begins there is given the
    lines of `metrics.jsonl` so far.
    """

    def __init__(self, config: TrainConfig, folder: Path, updates: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # not everybody has it

        self._config, self._place = config, folder / FOLDER
        begins = not self._place.exists()
        self._writer = SummaryWriter(str(self._place), purge_step=None if begins else updates + 1)
        projector.cut(self._place, updates)
        self._timed = (updates, time.monotonic())
        if begins:
            self._writer.add_text("config", f"```\n{json.dumps(to_json(config), indent=1)}\n```", 0)
            for line in read(folder / "metrics.jsonl"):
                self._scalars(line["updates"], numbers(line))
        self._writer.flush()

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._writer.close()

    def logged(self, updates: int, values: dict[str, Any]) -> None:
        found = numbers(values)
        if "loss" in values:
            found |= self._speed(updates)
        self._scalars(updates, found)
        self._writer.flush()  # what comes before a checkpoint is not logged again after a crash

    def completed(self, training: Training, unseen: list[Episode]) -> None:
        """Pictures, every few rounds, of what nothing was learned from yet (if rounds begin afresh, in the last)."""
        if not due(training.round, self._config.rounds):
            return
        if episodes := self._episodes(training, unseen)[:SHOWN]:
            self._video(training, episodes[0])
            self._beliefs(training, episodes)

    def _scalars(self, updates: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, updates)

    def _speed(self, updates: int) -> dict[str, float]:
        """Since the last line of losses, all else that was done in between included."""
        (before, then), now = self._timed, time.monotonic()
        self._timed = (updates, now)
        speed = (updates - before) / max(now - then, 1e-9)
        return {
            "speed/updates_per_second": speed,
            "speed/frames_per_second": speed * self._config.batch * self._config.length,
        }

    def _episodes(self, training: Training, unseen: list[Episode]) -> list[Episode]:
        """Test episodes of a data folder; collected ones, which come without noise first; played ones at the end."""
        if self._config.data:
            return kept_back(self._config, SHOWN)
        if training.round < self._config.rounds or (unseen and not self._config.afresh):
            return unseen
        return held_out_episodes(training.model, self._config, training.folder, PLAYED, self._config.seed)

    def _video(self, training: Training, episode: Episode) -> None:
        """An animated GIF is a picture to TensorBoard; `add_video` of torch would take another package."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        moving = video(training.model, episode, "GIF")
        width, height = (int.from_bytes(moving[at : at + 2], "little") for at in (6, 8))
        picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=moving)
        summary = Summary(value=[Summary.Value(tag="open_loop", image=picture)])
        assert self._writer.file_writer
        self._writer.file_writer.add_summary(summary, training.updates)
        self._writer.flush()

    def _beliefs(self, training: Training, episodes: list[Episode]) -> None:
        posterior, there = observe(training.model, episodes)
        vectors = posterior.states.vector.float().cpu().numpy()[there]
        number, row = np.nonzero(there)
        state, reward, frames = (
            np.concatenate([getattr(e, name) for e in episodes]) for name in ("state", "reward", "observation")
        )
        names = (*environment.state_names(self._config.env, state.shape[1]), "reward", "step", "episode")
        some = np.linspace(0, len(vectors) - 1, min(POINTS, len(vectors))).astype(int)
        about = np.column_stack([state, reward, row, number])[some]
        projector.write_beliefs(self._place, training.updates, vectors[some], names, about, frames[some])


def due(done: int, rounds: int) -> bool:
    """Counted from the last round, so that the finished model is among those shown."""
    return (rounds - done) % -(-rounds // PICTURES) == 0


def numbers(values: dict[str, Any]) -> dict[str, float]:
    """Names as TensorBoard groups them, of what a line of `metrics.jsonl` says; of returns the mean and the range."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if name == "returns":
            found |= {"collected/return": float(np.mean(value))}
            found |= {"collected/lowest_return": min(value), "collected/highest_return": max(value)}
        elif name.startswith("held_out_"):
            found[f"held_out/{name.removeprefix('held_out_')}"] = value
        elif name != "updates":
            found[f"{'collected' if name in COLLECTED else 'training'}/{name}"] = value
    return found
