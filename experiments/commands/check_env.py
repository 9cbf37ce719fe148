"""`worldmodel check-env ENV`: whether an environment keeps the contract, and if not, the likely cause."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from envs.check import Finding, check
from experiments import environment
from experiments.commands.leading import leading, wants_help

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN "}


class ContractBroken(RuntimeError):
    """The environment breaks the contract; exit code 1."""


@dataclass(frozen=True)
class Arguments:
    """Play a few episodes of an environment and check what everything else here relies on."""

    env: tyro.conf.Positional[str]
    """E.g. my_module:MyEnv, gym:Pendulum-v1 or dmc:cartpole-swingup, with options after commas."""
    size: int = 64
    """Side of the images in pixels."""


def run(argv: list[str]) -> None:
    """Raises ContractBroken, UserError."""
    if not wants_help(argv):
        leading(argv, "worldmodel check-env ENV [options]")
    arguments = tyro.cli(Arguments, prog="worldmodel check-env", args=argv)
    if said := environment.describe(arguments.env):
        print(said)
    found = []
    for finding in check(lambda: environment.single(arguments.env, arguments.size)):
        found.append(finding)
        print(line(finding), flush=True)
    broken = [finding.rule for finding in found if finding.verdict == "broken"]
    if broken:
        raise ContractBroken(f"{arguments.env} breaks {len(broken)} of {len(found)} rules: {'; '.join(broken)}.")
    print(f"{arguments.env} keeps the contract: worldmodel train dmc --env {arguments.env} --size {arguments.size}")


def line(finding: Finding) -> str:
    """E.g. ``ok       rewards are finite: 0 to 1``, and the cause on a line of its own."""
    text = f"{MARKS[finding.verdict]}  {finding.rule}: {finding.seen}"
    return f"{text}\n         likely cause: {finding.cause}" if finding.cause else text
