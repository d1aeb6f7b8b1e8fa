# SPDX-License-Identifier: Apache-2.0
"""How far an adjustment has come: a transition table, where in it an instance is, and what of that
people see.

::

    everything --ADMIT--> ADMITTED
    everything --BEGIN--> CONVERGING --REACH---> CONVERGED
                                     --DEFER---> DEFERRED
                                     --REFUSE--> GUEST_REFUSED
                                     --FAIL----> FAILED

Whoever runs begins; a run ends by reaching, deferring, being refused by the guest, or failing.
CONVERGING is known where the run is; what is written is where the last one ended.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class Phase(enum.Enum):
    """Where the newest adjustment is. The values are API: they are written and shown."""

    ADMITTED = "admitted"
    CONVERGING = "converging"
    CONVERGED = "converged"
    DEFERRED = "deferred"
    GUEST_REFUSED = "guest_refused"
    FAILED = "failed"


class Event(enum.Enum):
    """What moves an adjustment from one phase to the next."""

    ADMIT = "admit"
    BEGIN = "begin"
    REACH = "reach"
    DEFER = "defer"
    REFUSE = "refuse"
    FAIL = "fail"


_RUN = Phase.CONVERGING

TRANSITIONS: dict[tuple[Phase, Event], Phase] = {
    **{(phase, Event.ADMIT): Phase.ADMITTED for phase in Phase},
    # From CONVERGED too: what drifted is brought back. From CONVERGING: its run has died.
    **{(phase, Event.BEGIN): _RUN for phase in Phase},
    (_RUN, Event.REACH): Phase.CONVERGED,
    (_RUN, Event.DEFER): Phase.DEFERRED,
    (_RUN, Event.REFUSE): Phase.GUEST_REFUSED,
    (_RUN, Event.FAIL): Phase.FAILED,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an instance is in the table.

    :ivar code: stable reason code, for programs; see :mod:`nova_xloud.errors`
    :ivar message: for people; may be empty
    :ivar since: when it came to ``phase``: ISO 8601, UTC; empty for an instance never adjusted
    :ivar request_id: of the request that asked for what is desired; empty when none did
    """

    phase: Phase = Phase.CONVERGED
    code: str = "xloud.converged"
    message: str = ""
    since: str = ""
    request_id: str = ""

    @property
    def reached(self) -> bool:
        """Whether the guest has had what was asked for, when it was last looked at."""
        return self.phase is Phase.CONVERGED

    @property
    def finished(self) -> bool:
        """Whether the adjustment has had its answer: reached, refused by the guest, or failed."""
        return self.phase in (Phase.CONVERGED, Phase.GUEST_REFUSED, Phase.FAILED)

    def after(self, event: Event, now: str, code: str = "", message: str = "") -> Progress:
        """Where it is after ``event``; ``since`` stays where phase and code do.

        :param code: default: the phase's own, ``xloud.<phase>``
        :raises ValueError: the table has no such transition
        """
        if (self.phase, event) not in TRANSITIONS:
            raise ValueError(f"an adjustment that is {self.phase.value} cannot {event.value}")
        phase = TRANSITIONS[self.phase, event]
        code = code or f"xloud.{phase.value}"
        since = self.since if (phase, code) == (self.phase, self.code) and self.since else now
        return replace(self, phase=phase, code=code, message=message, since=since)


NEVER_ADJUSTED = Progress()
# The names of our instance actions.
ADJUST = "xloud_adjust"
HOTPLUG = "hotplug_vcpus"
# The type of the condition that a record keeps itself: what was asked for was given up.
GAVE_UP = "GaveUp"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that people see of an instance.

    All of them are in :mod:`nova_xloud.core.instance.conditions`.

    :ivar reason: stable code
    :ivar message: for people
    :ivar since: ISO 8601, UTC
    """

    type: str
    status: bool
    reason: str
    message: str
    since: str
