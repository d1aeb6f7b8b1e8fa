# SPDX-License-Identifier: Apache-2.0
"""How far an adjustment has come: its phases, and the table of their transitions.

::

    everything --ADMIT--> ADMITTED
    everything --BEGIN--> CONVERGING --REACH---> CONVERGED
                                     --DEFER---> DEFERRED
                                     --REFUSE--> GUEST_REFUSED
                                     --FAIL----> FAILED

A run begins with BEGIN and ends with one of REACH, DEFER, REFUSE (by the guest) and FAIL.
CONVERGING is never stored: only the nova-compute that makes the run knows of it. The record has the
phase that a run has recorded last, or ADMITTED if a request was admitted since. Before the first
request or run an instance is CONVERGED.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class Phase(enum.Enum):
    """How far the newest adjustment has come.

    The values are API: they are shown, and all but that of CONVERGING are stored.
    """

    ADMITTED = "admitted"
    CONVERGING = "converging"
    CONVERGED = "converged"
    DEFERRED = "deferred"
    GUEST_REFUSED = "guest_refused"
    FAILED = "failed"


class Event(enum.Enum):
    """What moves an adjustment from one phase to the next; see the table of this module."""

    ADMIT = "admit"
    BEGIN = "begin"
    REACH = "reach"
    DEFER = "defer"
    REFUSE = "refuse"
    FAIL = "fail"


_RUN = Phase.CONVERGING

TRANSITIONS: dict[tuple[Phase, Event], Phase] = {
    **{(phase, Event.ADMIT): Phase.ADMITTED for phase in Phase},
    # From CONVERGED too, because drift is corrected; from CONVERGING, if its run has died.
    **{(phase, Event.BEGIN): _RUN for phase in Phase},
    (_RUN, Event.REACH): Phase.CONVERGED,
    (_RUN, Event.DEFER): Phase.DEFERRED,
    (_RUN, Event.REFUSE): Phase.GUEST_REFUSED,
    (_RUN, Event.FAIL): Phase.FAILED,
}


# As many ids of requests as a value of system_metadata has room for.
MOST_SUPERSEDED = 6


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the newest adjustment of an instance has come.

    :ivar phase: the phase; in a record never CONVERGING
    :ivar code: stable reason code, for programs: ``xloud.<phase>``, or the code of the error with
        which the last run ended (:mod:`nova_xloud.errors`)
    :ivar message: for people; may be empty
    :ivar since: when the record got its phase and code: ISO 8601, UTC; empty if not known, as
        before the first request or run
    :ivar request_id: the id of the request that asked for the desired size; empty if none did
    :ivar superseded: the ids of the requests before it that had not ended when the next one was
        admitted, the oldest first, at most :data:`MOST_SUPERSEDED`; their instance actions may have
        no end yet
    """

    phase: Phase = Phase.CONVERGED
    code: str = "xloud.converged"
    message: str = ""
    since: str = ""
    request_id: str = ""
    superseded: tuple[str, ...] = ()

    @property
    def request_ids(self) -> tuple[str, ...]:
        """The superseded requests, and the one that asked for the desired size."""
        return tuple(one for one in (*self.superseded, self.request_id) if one)

    def dropped_by(self, later: Progress) -> tuple[str, ...]:
        """Return the requests whose instance actions may have no end, and that ``later`` lacks.

        The newest request is not among them if the last run has finished its adjustment, because
        that run ends its event.
        """
        may_be_open = self.superseded if self.finished else self.request_ids
        return tuple(one for one in may_be_open if one not in later.request_ids)

    @property
    def reached(self) -> bool:
        """Whether the phase is CONVERGED; True also before the first request or run."""
        return self.phase is Phase.CONVERGED

    @property
    def finished(self) -> bool:
        """Whether the last run ended as converged, refused by the guest, or failed.

        A deferred adjustment is not finished: another run follows. True also before the first
        request or run.
        """
        return self.phase in (Phase.CONVERGED, Phase.GUEST_REFUSED, Phase.FAILED)

    def after(self, event: Event, now: str, code: str = "", message: str = "") -> Progress:
        """Return the progress after ``event``; a known ``since`` stays if phase and code stay.

        :param now: ISO 8601, UTC: the ``since`` otherwise
        :param code: the reason code; by default that of the new phase, ``xloud.<phase>``
        :raises ValueError: :data:`TRANSITIONS` does not allow ``event`` in this phase
        """
        if (self.phase, event) not in TRANSITIONS:
            raise ValueError(f"an adjustment that is {self.phase.value} cannot {event.value}")
        phase = TRANSITIONS[self.phase, event]
        code = code or f"xloud.{phase.value}"
        since = self.since if (phase, code) == (self.phase, self.code) and self.since else now
        return replace(self, phase=phase, code=code, message=message, since=since)

    def admitted(self, request_id: str, now: str) -> Progress:
        """Return the progress after the request ``request_id`` was admitted.

        The earlier requests become superseded if the last run has not finished their adjustment.
        The oldest of more than :data:`MOST_SUPERSEDED` is dropped: see :meth:`dropped_by`.

        :param now: ISO 8601, UTC
        """
        earlier = () if self.finished else self.request_ids
        superseded = tuple(one for one in earlier if one != request_id)[-MOST_SUPERSEDED:]
        progress = self.after(Event.ADMIT, now)
        return replace(progress, request_id=request_id, superseded=superseded)


NEVER_ADJUSTED = Progress()
# The names of the instance actions of nova-xloud.
ADJUST = "xloud_adjust"
HOTPLUG = "hotplug_vcpus"
# The type of the condition that is in Desired.given_up: the last request was given up.
GAVE_UP = "GaveUp"


@dataclass(frozen=True, slots=True)
class Condition:
    """One statement about an instance, such as ``Converged``, that is true or false.

    All types are in :mod:`nova_xloud.core.instance.conditions`.

    :ivar type: what the statement is about, such as ``Converged``
    :ivar status: whether it is true
    :ivar reason: stable reason code
    :ivar message: for people
    :ivar since: since when, as far as is recorded, it has had this status and reason: ISO 8601, UTC
    """

    type: str
    status: bool
    reason: str
    message: str
    since: str
