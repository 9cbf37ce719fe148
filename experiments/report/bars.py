"""Upright bars, one per named thing, in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def bars(rows: Sequence[tuple[str, float, bool]]) -> str:
    """Name, height, and whether it is filled rather than hollow. Heights are not negative."""
    most = max((height for _, height, _ in rows), default=0) or 1
    return '<div class="bars">' + "".join(bar(*row, most) for row in rows) + "</div>"


def bar(name: str, height: float, filled: bool, most: float) -> str:
    kind = "" if filled else " class='hollow'"
    says = escape(f"{name}: {height:.3g}")
    return f'<span title="{says}"><b{kind} style="height:{100 * height / most:.1f}%"></b><u>{escape(name)}</u></span>'
