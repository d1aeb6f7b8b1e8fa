# SPDX-License-Identifier: Apache-2.0
"""How a test ended, as data that goes from one process to another."""

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    PASSED = "it passed"
    FAILED = "it saw that something is missing"
    BROKEN = "it could not be run, or failed before it looked"


@dataclass(frozen=True)
class Verdict:
    """:ivar why: of a failure, the error; for people."""

    outcome: Outcome
    why: str
