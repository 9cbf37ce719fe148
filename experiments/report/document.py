"""The frame that pages stand in: one HTML file that opens offline, light and dark, for wide screens and phones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from experiments import provenance

HERE = Path(__file__).parent


def document(
    title: str, subtitle: str, body: str, footer: Sequence[str], styles: Sequence[str], scripts: Sequence[str] = ()
) -> str:
    """title, subtitle and the lines of the footer are text, ``body`` is HTML. styles and scripts: files beside this."""
    script = f"<script>\n{joined(scripts)}</script>\n" if scripts else ""
    return Template((HERE / "page.html").read_text()).substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        style=joined(styles),
        body=body,
        footer="".join(f"<p>{escape(line)}</p>" for line in footer),
        script=script,
    )


def joined(files: Sequence[str]) -> str:
    return "".join((HERE / name).read_text() for name in files)


def made_by(code: str | None, *more: str) -> str:
    """The footer's line on the code, the machine and the versions that made a page."""
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    return " · ".join([f"Code {code or 'of no known commit'}", *more, provenance.machine(), versions])
