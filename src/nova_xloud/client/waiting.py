# SPDX-License-Identifier: Apache-2.0
"""Wait for an adjustment: read the status until it is reached, will not be, or time is over."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import HttpException

from nova_xloud.client.errors import (
    AdjustmentFailed,
    GuestRefused,
    NotReached,
    PlacementUnavailable,
    Superseded,
    TimedOut,
)
from nova_xloud.client.resources import Adjustment, Status
from nova_xloud.core.instance.conditions import CONVERGED, GUEST_REFUSED
from nova_xloud.core.instance.lifecycle import GAVE_UP

# The reasons of the condition Converged while the outcome is open.
_GOES_ON = ("xloud.admitted", "xloud.converging", "xloud.deferred", "xloud.drifted")


class Stage(enum.Enum):
    """What an adjustment reaches, in this order.

    It is admitted, claimed in Placement, set in QEMU, and seen in the guest.
    """

    ASKED = "asked"
    CLAIMED = "claimed"
    SET = "set"
    SEEN = "seen in the guest"


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that happened during a wait: a stage was reached, or there is a reason for delay.

    :ivar seconds: since the wait began
    :ivar stage: the stage that was reached; None: see ``note``
    :ivar note: why the adjustment takes longer; empty with a stage
    """

    seconds: float
    stage: Stage | None
    note: str = ""


def stages(status: Status) -> Iterator[Stage]:
    """Yield the stages that the desired size has reached, in order; ``ASKED`` always."""
    numbers = status.numbers
    yield Stage.ASKED
    if numbers.reserved.covers(numbers.desired):
        yield Stage.CLAIMED
    if numbers.actuated == numbers.desired:
        yield Stage.SET
    if numbers.observed.is_size(numbers.desired):
        yield Stage.SEEN


def unconfirmed(status: Status) -> str:
    """Return why the guest cannot confirm the size that QEMU has.

    :returns: empty if the guest can, if it is off, or if it is unknown whether it runs
    """
    observed = status.numbers.observed
    if not status.running:
        return ""
    if observed.memory_mb is None:
        agent = "" if observed.vcpus is not None else ", and the guest has no agent"
        return f"set; the guest's balloon driver does not report{agent}"
    return "set; the guest has no agent to confirm it" if observed.vcpus is None else ""


def note(status: Status) -> str:
    """Return why the adjustment takes longer; empty if no reason is known."""
    if not status.from_host:
        return "the server's compute host is down; the adjustment continues when the host is back"
    converged = status.condition(CONVERGED)
    if converged is not None and converged.reason == "xloud.deferred":
        return converged.message or (
            "another operation on the server runs first, or the guest is paused; the adjustment "
            "continues afterwards"
        )
    return ""


def judge(status: Status, adjustment: Adjustment, generation: int) -> bool | NotReached:
    """Return whether ``adjustment`` is reached, or the exception with which the wait has to end.

    The exception is returned, and not raised. It does not say that the size is never reached:
    nova-xloud may try again.

    :param generation: of the first status that was read after the adjustment was admitted
    :returns: True if the condition ``Converged`` is true, False while the outcome is open; else a
        ``GuestRefused``, ``Superseded`` or ``AdjustmentFailed``
    """
    desired = status.numbers.desired
    gave_up = status.condition(GAVE_UP)
    if gave_up is not None and gave_up.status and status.generation == generation:
        # The condition is about this request: the next request ends it.
        return AdjustmentFailed(f"{gave_up.message}; {_has(status)}", status, gave_up.reason)
    if status.generation != generation or not adjustment.is_of(desired):
        message = (
            f"the server's desired size is now {desired}, and no longer {adjustment}: the server "
            f"was adjusted again, or it was restarted and the adjustment did not persist"
        )
        return Superseded(message, status)
    refused = status.condition(GUEST_REFUSED)
    if refused is not None and refused.status:
        return GuestRefused(f"{refused.message}; {_has(status)}", status, refused.reason)
    converged = status.condition(CONVERGED)
    if converged is None or not status.from_host:
        return False
    if converged.status or converged.reason in _GOES_ON:
        return converged.status
    again = "" if converged.reason == "xloud.no_guest" else "; nova-xloud tries again by itself"
    return AdjustmentFailed(
        f"{converged.message}; {_has(status)}{again}",
        status,
        converged.reason,
    )


@dataclass
class Waiting:
    """One wait for one adjustment.

    :ivar read: returns the server's status
    :ivar timeout: seconds
    :ivar tell: called with each stage and each note, once
    :ivar interval: seconds between two readings of the status
    :ivar clock: returns monotonic seconds
    :ivar sleep: sleeps for so many seconds
    """

    adjustment: Adjustment
    read: Callable[[], Status]
    timeout: float
    tell: Callable[[Progress], None] = lambda progress: None
    interval: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _told: set[Stage | str] = field(default_factory=set)
    _status: Status | None = None
    _generation: int | None = None

    def run(self) -> Status:
        """Wait, and return the status with which the adjustment was reached.

        While the connection, Nova or Placement fails, the status is read again.

        :raises NotReached: one of its subclasses, with the last status that could be read
        :raises AdjustmentRefused: the status cannot be had, because the server is gone for example
        :raises NotInstalled: the nova-api that answered runs without nova-xloud
        """
        began = self.clock()
        self._tell(began, Stage.ASKED)
        while True:
            status = self._look(began)
            if status is not None:
                outcome = judge(status, self.adjustment, self._first(status))
                if isinstance(outcome, NotReached):
                    raise outcome
                if outcome:
                    return status
            left = began + self.timeout - self.clock()
            if left <= 0:
                raise self._timed_out()
            self.sleep(min(self.interval, left))

    def _look(self, began: float) -> Status | None:
        try:
            self._status = status = self.read()
        except (ClientException, HttpException, PlacementUnavailable) as error:
            # The adjustment continues, whether its status can be read or not.
            self._note(began, f"the server's status cannot be read at the moment: {error}")
            return None
        for stage in stages(status):
            self._tell(began, stage)
        self._note(began, note(status))
        return status

    def _first(self, status: Status) -> int:
        if self._generation is None:
            self._generation = status.generation
        return self._generation

    def _tell(self, began: float, stage: Stage) -> None:
        if stage not in self._told:
            self._told.add(stage)
            self.tell(Progress(self.clock() - began, stage))

    def _note(self, began: float, text: str) -> None:
        if text and text not in self._told:
            self._told.add(text)
            self.tell(Progress(self.clock() - began, None, text))

    def _timed_out(self) -> TimedOut:
        message = (
            f"the guest did not reach {self.adjustment} within {self.timeout:g} s; the adjustment "
            f"continues"
        )
        if self._status is None:
            return TimedOut(f"{message}; the server's status could not be read")
        message = "; ".join(filter(None, (message, note(self._status), _has(self._status))))
        converged = self._status.condition(CONVERGED)
        return TimedOut(message, self._status, converged.reason if converged else "")


def _has(status: Status) -> str:
    """Return what the guest has and what is claimed, as the end of a message."""
    numbers = status.numbers
    claimed = f"{numbers.reserved} are claimed for the server"
    if numbers.actuated is None:
        return f"what the guest has is unknown; {claimed}"
    if not status.running:
        return f"the server does not run; {claimed}"
    return f"the guest has {numbers.observed.at_least_known(numbers.actuated)}; {claimed}"
