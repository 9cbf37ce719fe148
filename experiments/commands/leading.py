"""The word that a command line begins with: a preset, a run or an environment, on which all defaults depend."""

from __future__ import annotations

from experiments.errors import UserError


def leading(argv: list[str], usage: str) -> str:
    """The first of ``argv``, e.g. for ``usage = "worldmodel train PRESET [options]"``. Raises UserError without one."""
    if not argv or argv[0].startswith("-"):
        came = argv[0] if argv else "nothing"
        raise UserError(f"The command is {usage}; {came} came first. Options go after that.")
    return argv[0]


def wants_help(argv: list[str]) -> bool:
    return "--help" in argv or "-h" in argv


def without(argv: list[str], name: str) -> list[str]:
    """``argv`` less the option ``name`` and its value."""
    kept = [word for word in argv if not word.startswith(name + "=")]
    while name in kept:
        at = kept.index(name)
        del kept[at : at + 2]
    return kept


def option(argv: list[str], name: str) -> str | None:
    """The value given for the option ``name``, before the command line is parsed as a whole."""
    for word, following in zip(argv, [*argv[1:], None], strict=True):
        if word == name:
            return following
        if word.startswith(name + "="):
            return word.partition("=")[2]
    return None
