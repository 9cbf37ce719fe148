"""What the user did that cannot work: printed as one sentence, without a traceback, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Says the rule, what came, and what to do."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that does not exist, with the nearest one that does."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean '{near[0]}'?" if near else "Take one of these."
    return UserError(f"There is no {kind} '{name}'. {hint} Known: {', '.join(names)}.")
