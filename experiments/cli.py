"""The entry point `worldmodel`: finds the command, and turns every failure into one sentence and an exit code.

Nothing here imports torch at the top: help, version and most mistakes answer at once, and OpenMP's waiting policy is
set before torch reads it.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback

from experiments.errors import UserError, unknown
from experiments.provenance import version

COMMANDS = {  # each is a module of experiments.commands with a function run(argv)
    "demo": "learn the pendulum from pixels, plan with what was learned, print a table (minutes)",
    "train": "learn a world model from pixels: worldmodel train PRESET",
    "collect": "episodes in a data folder, to learn from offline: worldmodel collect ENV --out DATA",
    "data": "what is stored, and episodes in and out: worldmodel data DATA, data import, data export",
    "evaluate": "play episodes with any planner on a trained model: worldmodel evaluate RUN --planner cem",
    "compare": "planners at equal budgets, with intervals and a page: worldmodel compare RUN --planners cem icem",
    "imagine": "an actor and its critic, learned in the model of a run: worldmodel imagine RUN",
    "distil": "an actor that copies a planner's decisions: worldmodel distil RUN --teacher icem",
    "show": "what the model has learnt, as a page: worldmodel show RUN --html FILE",
    "probe": "how much of the true state the model's belief tells: worldmodel probe RUN",
    "doctor": "find what is wrong with data or a run (shifted actions, mixed episodes): worldmodel doctor RUN",
    "envs": "list the built-in environments",
    "check-env": "does an environment of yours keep the contract? worldmodel check-env my_module:MyEnv",
    "benchmark": "whole experiments beside published numbers: worldmodel benchmark dmc",
    "models": "list the published models: worldmodel train PRESET --model NAME",
    "reference": "compute what scores are measured against: worldmodel reference ENV",
}

HELP = """usage: worldmodel COMMAND [options]

Learn a world model from pixels, then plan with it.

commands:
{commands}

start here:
  worldmodel demo                             the whole way once, on two CPU cores, in minutes
  worldmodel train pendulum --out runs/mine   a run folder: weights, replay, metrics.jsonl, open_loop.webp
  worldmodel evaluate runs/mine --planner ilqr --episodes 20

options:
  COMMAND --help   all options of one command, e.g. worldmodel train pendulum --help
  --version        the version of this package and of torch
  --debug          show the traceback of an error (any command)
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (the run failed), 2 (asked for wrongly), 130 (Ctrl-C), or what the
    command returns (`doctor`: 3 for a fault)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads would take cores from others
    debug = "--debug" in argv
    try:
        return dispatch([word for word in argv if word != "--debug"])
    except KeyboardInterrupt as stop:
        print(f"Stopped. {stop}".strip(), file=sys.stderr)
        return 130
    except Exception as error:  # whatever it is, the user gets a sentence
        if debug:
            traceback.print_exc()
        print(f"worldmodel: {sentence(error)}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1


def dispatch(argv: list[str]) -> int:
    """Returns what the command returns, 0 for nothing."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(HELP.format(commands="\n".join(f"  {name:<11}{what}" for name, what in COMMANDS.items())), end="")
    elif argv[0] == "--version":
        print(f"worldmodel {version('worldmodel-planners')}, torch {version('torch')}")
    elif argv[0] not in COMMANDS:
        raise unknown("command", argv[0], COMMANDS)
    else:
        return importlib.import_module(f"experiments.commands.{argv[0].replace('-', '_')}").run(argv[1:]) or 0
    return 0


def sentence(error: Exception) -> str:
    """What to tell the user. Our own errors say the rule, what came and what to do; others get a hint."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full ({error.filename or 'no file named'}): free some space and go on with --resume."
    ours = type(error).__module__.partition(".")[0] in ("envs", "worldmodel", "planners", "experiments")
    if ours or isinstance(error, ValueError):
        return str(error)
    return f"{type(error).__name__}: {error} (unexpected; --debug shows where)"


if __name__ == "__main__":
    sys.exit(main())
