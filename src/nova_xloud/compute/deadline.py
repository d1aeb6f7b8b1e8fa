# SPDX-License-Identifier: Apache-2.0
"""The time until which a caller waits for an answer, by the clock of the host that answers.

A request may lie in a queue for long before it is begun, and the clock of its caller may be wrong.
So the caller first asks this host for the time (:meth:`HostClock.now`), and then names a later time
of the same clock. The host read that time before its answer came back, so at the named time the
caller is still waiting. The two clocks need not agree; they only have to be equally fast.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by one :class:`HostClock`.

    :ivar clock: the id of the clock
    :ivar seconds: what the clock shows at that moment
    """

    clock: str
    seconds: float


@dataclass(frozen=True)
class HostClock:
    """The monotonic clock of this process, which starts at an arbitrary number.

    :ivar seconds: returns monotonic seconds
    :ivar id: identifies this process, because the clock of another starts at another number
    """

    seconds: Callable[[], float]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def now(self) -> Deadline:
        """Return the moment of the call."""
        return Deadline(self.id, self.seconds())

    def is_over(self, deadline: Deadline) -> bool:
        """Return whether ``deadline`` has passed.

        True also for a deadline of another process: the one that was asked for the time has ended.
        """
        return deadline.clock != self.id or self.seconds() > deadline.seconds
