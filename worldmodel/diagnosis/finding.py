"""The answer to one question of the doctor."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["healthy", "fault", "unclear"]


class Finding(NamedTuple):
    """question: in a few words. what: the fault, in a sentence; empty unless there is one. evidence: in numbers.

    advice: what to do about a fault. unclear: the data cannot tell, and evidence says why.
    """

    question: str
    verdict: Verdict
    evidence: str
    what: str = ""
    advice: str = ""
