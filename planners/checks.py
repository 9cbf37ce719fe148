"""What planners' numbers have to satisfy: one wording for all of them."""

from __future__ import annotations

from collections.abc import Sequence

NO_SLOPE = "actions must be continuous, for it follows slopes; this model's are discrete, so take a planner such as cem"


def require(who: str, rules: Sequence[tuple[bool, str]]) -> None:
    """Raise ValueError with the text of every rule that does not hold."""
    broken = [text for holds, text in rules if not holds]
    if broken:
        raise ValueError(f"{who}: " + "; ".join(broken) + ".")
