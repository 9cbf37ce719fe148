"""Progress: plain lines for files and pipes, a live line on a terminal, the same facts on both."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from experiments import progress
from experiments.presets import preset
from experiments.progress import TrainingProgress, clock

CONFIG = replace(preset("tiny"), rounds=4, updates=50, batch=2, length=8)


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def told(console: Console, now: list[float], done: int = 0) -> None:
    with TrainingProgress(CONFIG, done, console) as told:
        now[0] += 10
        told.updated(done + 50, {"loss": 1234.5, "kl": 2.0, "gradient_norm": 7.0})
        told.collected(6, [10.0, 20.0])
        now[0] += 10
        told.updated(done + 100, {"loss": 600.0, "kl": 3.0, "gradient_norm": 7.0})


def test_plain_lines_where_there_is_no_terminal(ticking: list[float]) -> None:
    file = io.StringIO()
    told(Console(file=file), ticking)
    first, collected, second = file.getvalue().splitlines()
    assert first == "round 1/4 · update 50/200 · loss 1234 kl 2 · 5.0 updates/s · 80 frames/s · 0:30 left"
    assert collected == "collected: 6 episodes, return 15.0 of the last 2"
    assert second.startswith("round 2/4 · update 100/200 · loss 600 kl 3 · return 15.0 · 5.0 updates/s")
    assert "\x1b" not in file.getvalue()


def test_speed_of_a_resumed_run_is_that_of_this_process(ticking: list[float]) -> None:
    file = io.StringIO()
    told(Console(file=file), ticking, done=100)
    assert "round 4/4 · update 200/200" in file.getvalue()
    assert "5.0 updates/s · 80 frames/s · 0:00 left" in file.getvalue()


def test_a_terminal_gets_one_live_line(ticking: list[float]) -> None:
    file = io.StringIO()
    told(Console(file=file, force_terminal=True, width=160), ticking)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert "update 100/200" in plain
    assert "\x1b" in file.getvalue()
    assert plain.count("\n") <= 2


def lesson(console: Console) -> None:
    with TrainingProgress(CONFIG, 50, console) as told:
        told.taught(500, 1000, {"critic_error": 2.5, "critic_gradient_norm": 7.0})
        told.taught(1000, 1000, {"critic_error": 1.5, "critic_gradient_norm": 7.0})


def test_a_lesson_is_a_plain_line_at_its_end(ticking: list[float]) -> None:
    file = io.StringIO()
    lesson(Console(file=file))
    assert file.getvalue().splitlines() == ["lesson: agent 1000/1000 critic_error 1.5"]


def test_a_lesson_goes_on_in_the_live_line(ticking: list[float]) -> None:
    file = io.StringIO()
    lesson(Console(file=file, force_terminal=True, width=160))
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert "agent 1000/1000 critic_error 1.5" in plain


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "60:00")])
def test_the_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
