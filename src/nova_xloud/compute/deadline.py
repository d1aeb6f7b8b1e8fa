# SPDX-License-Identifier: Apache-2.0
"""Until when somebody waits for an answer, in seconds of whoever answers.

A request may lie in a queue for long before it is begun, and its caller's clock may be wrong. So
the caller first asks for the time here (``now``), and then names a time of this clock. The time was
read before its answer came back, so at the named time the caller still waits. No clock has to agree
with another; they only have to be equally fast.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of one :class:`HostClock`.

    :ivar clock: its id
    :ivar seconds: its reading
    """

    clock: str
    seconds: float


@dataclass(frozen=True)
class HostClock:
    """Seconds of this process, which only grow and begin anywhere.

    :ivar id: of this process: the clock of another begins elsewhere
    """

    seconds: Callable[[], float]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def now(self) -> Deadline:
        return Deadline(self.id, self.seconds())

    def is_over(self, deadline: Deadline) -> bool:
        """True too where the process that was asked for the time has ended."""
        return deadline.clock != self.id or self.seconds() > deadline.seconds
