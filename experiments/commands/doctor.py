"""`worldmodel doctor DATA|RUN`: what is wrong with the data, or with what was learned from it."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.text import Text

from experiments.commands.leading import leading, wants_help
from experiments.doctor import Patient, admit, examine
from worldmodel.diagnosis.finding import Finding
from worldmodel.durable import write_whole

FAULT = 3  # exit code
WORDS = {"healthy": ("ok", "green"), "fault": ("FAULT", "bold red"), "unclear": ("unclear", "yellow")}
INDENT, WIDTH = 10, 80


@dataclass(frozen=True)
class Arguments:
    """Examine data, or a run and its data. The exit code is 0 where all is healthy, 3 where there is a fault.

    What the data cannot tell is called unclear, and is no fault.
    """

    path: tyro.conf.Positional[Path]
    """Data folder (`worldmodel collect`, `worldmodel data import`) or run folder (`worldmodel train`)."""
    json: Path | None = None
    """Where to write the findings."""


def run(argv: list[str]) -> int:
    """Raises UserError, DataError, ReplayError, CheckpointError."""
    if not wants_help(argv):
        leading(argv, "worldmodel doctor DATA|RUN")
    arguments = tyro.cli(Arguments, prog="worldmodel doctor", args=argv)
    torch.set_num_threads(1)
    console, patient, findings = Console(highlight=False), admit(arguments.path), list[Finding]()
    console.print(describe(arguments.path, patient), soft_wrap=True)
    for finding in examine(patient):
        findings.append(finding)
        show(console, finding)
    console.print(summary(findings))
    if arguments.json:
        write_whole(arguments.json, (json.dumps([one._asdict() for one in findings], indent=1) + "\n").encode())
        console.print(f"wrote {arguments.json}", soft_wrap=True)
    return FAULT if any(one.verdict == "fault" for one in findings) else 0


def describe(path: Path, patient: Patient) -> str:
    rows = sum(episode.rows for episode in patient.episodes)
    lengths = patient.replay.lengths("train")
    what = "a run, its model and its data" if patient.model else "data"
    return (
        f"{path}: {what}; {len(patient.episodes)} of {len(lengths)} episodes, {rows} of {lengths.sum()} rows looked at"
    )


def show(console: Console, finding: Finding) -> None:
    word, style = WORDS[finding.verdict]
    console.print(Text.assemble((f"  {word:<{INDENT - 2}}", style), finding.question))
    for text, of in ((finding.evidence, "dim"), (finding.what, "bold"), (finding.advice, "")):
        lines = textwrap.wrap(text, WIDTH - INDENT)
        console.print(Text("\n".join(" " * INDENT + line for line in lines), of)) if lines else None


def summary(findings: list[Finding]) -> str:
    faults = sum(one.verdict == "fault" for one in findings)
    unclear = sum(one.verdict == "unclear" for one in findings)
    left = f" ({unclear} unclear)" if unclear else ""
    if faults:
        return f"{faults} fault{'s' * (faults > 1)} in {len(findings)} questions{left}."
    return f"Healthy in {len(findings) - unclear} questions{left}."
