# SPDX-License-Identifier: Apache-2.0
"""The time until which a caller waits for an answer, by the clock of the host that answers.

A request may lie in a queue for long before it is begun, and the clock of its caller may be wrong.
So the caller asks this host for the time (:meth:`HostClock.now`), and for some minutes computes the
host's time from that answer. It adds the seconds for which it is going to wait, and sends the sum
with its request. At that time the caller still waits, because the host read its clock before the
answer arrived. The two clocks need not agree; they only have to be about equally fast.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by one :class:`HostClock`.

    :ivar clock: the id of the clock
    :ivar seconds: the monotonic seconds that the clock shows at that moment
    """

    clock: str
    seconds: float


@dataclass(frozen=True)
class HostClock:
    """The monotonic clock of this process, with an id.

    :ivar seconds: returns monotonic seconds
    :ivar id: identifies this process: the monotonic seconds of another process cannot be compared
    """

    seconds: Callable[[], float]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def now(self) -> Deadline:
        """Return the time now by this clock."""
        return Deadline(self.id, self.seconds())

    def is_over(self, deadline: Deadline) -> bool:
        """Return whether ``deadline`` has passed.

        True also for a deadline by another clock, because the process with that clock has ended.
        """
        return deadline.clock != self.id or self.seconds() > deadline.seconds
