# SPDX-License-Identifier: Apache-2.0
"""Waits for an adjustment: reads the server's status until success, an error or the timeout."""

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
    UnreadableAnswer,
)
from nova_xloud.client.resources import Adjustment, Status
from nova_xloud.core.instance.conditions import CONVERGED, GUEST_REFUSED
from nova_xloud.core.instance.lifecycle import GAVE_UP

_HOST_UNSUPPORTED = "xloud.host_unsupported"
_NO_ANSWER = "the server's compute host is down, or it or Placement does not answer"
# The reasons of the condition Converged while the outcome is open.
_GOES_ON = ("xloud.admitted", "xloud.converging", "xloud.deferred", "xloud.drifted")
# By resource, the reasons of GuestRefused, and of Converged then, that are about it alone.
_REFUSALS = {
    "vcpus": (
        "xloud.guest_refused.vcpus_not_added",
        "xloud.guest_refused.vcpus_not_removed",
        "xloud.guest_refused.vcpus_not_online",
        "xloud.guest_refused.removal_unsettled",
    ),
    "memory_mb": (
        "xloud.guest_refused.memory_not_reached",
        "xloud.guest_refused.memory_floor",
        "xloud.guest_refused.memory_pinned",
        "xloud.guest_refused.no_statistics",
    ),
}


class Stage(enum.Enum):
    """One stage of an adjustment.

    ``ASKED``: the adjustment was admitted. ``CLAIMED``: Placement has allocated at least the
    desired size. ``SET``: QEMU has the desired size. ``SEEN``: the guest was seen to have it.
    """

    ASKED = "asked"
    CLAIMED = "claimed"
    SET = "set"
    SEEN = "seen in the guest"


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that happened during a wait: a stage was reached, or there is a reason for delay.

    :ivar seconds: seconds since the wait began
    :ivar stage: the stage that was reached; None if this is a reason for delay
    :ivar note: why the adjustment takes longer, for people; empty if a stage was reached
    """

    seconds: float
    stage: Stage | None
    note: str = ""


def stages(status: Status) -> Iterator[Stage]:
    """Yield the stages that the server has reached for its desired size; ``ASKED`` always."""
    numbers = status.numbers
    yield Stage.ASKED
    if numbers.reserved.covers(numbers.desired):
        yield Stage.CLAIMED
    if numbers.actuated == numbers.desired:
        yield Stage.SET
    if numbers.observed.is_size(numbers.desired):
        yield Stage.SEEN


def unconfirmed(status: Status) -> str:
    """Return a text for people: why the guest cannot confirm the size that QEMU has.

    :returns: empty if the guest can, if it is off, or if it is unknown whether it runs
    """
    observed = status.numbers.observed
    if not status.running:
        return ""
    if observed.memory_mb is None:
        agent = "" if observed.vcpus is not None else ", and no guest agent answers"
        return f"set; the guest's balloon driver does not report{agent}"
    return "set; no guest agent answers to confirm it" if observed.vcpus is None else ""


def note(status: Status) -> str:
    """Return a text for people: why the adjustment takes longer; empty if no reason is known."""
    converged = status.condition(CONVERGED)
    if not status.from_host:
        return _without_host(status)
    if converged is not None and converged.reason == "xloud.deferred":
        return converged.message or (
            "another operation on the server runs first, or the guest is paused; the adjustment "
            "continues afterwards"
        )
    return ""


def _without_host(status: Status) -> str:
    """Return why the status is from Nova's database; empty if its blockers say that already."""
    converged = status.condition(CONVERGED)
    if status.is_in_part and converged is not None:
        return converged.message
    reserved = status.numbers.reserved
    if (reserved.vcpus, reserved.memory_mb) == (0, 0):
        return "the server is on no compute host: it is shelved, or is not built"
    if any(blocker.code == _HOST_UNSUPPORTED for blocker in status.blockers):
        return ""
    if status.converged:
        return _NO_ANSWER
    return f"{_NO_ANSWER}; the adjustment continues when they are back"


def judge(status: Status, adjustment: Adjustment, first: int, last: int) -> bool | NotReached:
    """Return whether the size of ``adjustment`` is reached, or the exception that ends the wait.

    The exception is returned, and not raised. The size may be reached even after an exception,
    because nova-xloud may try again.

    A later request that leaves the size of ``adjustment`` desired, such as one of automatic growth
    for the other resource, does not end the wait, and neither does what becomes of that resource.

    :param status: not one that is in part
    :param first: the generation of the first status after ``adjustment`` was admitted
    :param last: the generation of the last status in which the size of ``adjustment`` was desired;
        that of the first status if it was in none
    :returns: True if the compute host reports ``Converged`` as true, or, after a later request, the
        one resource that ``adjustment`` names as reached; False while the outcome is open; else a
        ``GuestRefused``, ``Superseded`` or ``AdjustmentFailed``
    """
    desired = status.numbers.desired
    if not adjustment.is_of(desired):
        gave_up = status.condition(GAVE_UP)
        if gave_up is not None and gave_up.status and status.generation == last:
            # The condition is about this request: the next request ends it.
            return AdjustmentFailed(f"{gave_up.message}; {_has(status)}", status, gave_up.reason)
        message = (
            f"the server's desired size is now {desired}, and no longer {adjustment}: the server "
            f"was adjusted again, or it was restarted and the adjustment did not persist"
        )
        return Superseded(message, status)
    alone = _only_resource(adjustment) if status.generation != first else None
    if alone is not None and _has_reached(status, alone):
        return True
    others = _refusals_of_the_other(alone)
    refused = status.condition(GUEST_REFUSED)
    if refused is not None and refused.status and refused.reason not in others:
        return GuestRefused(f"{refused.message}; {_has(status)}", status, refused.reason)
    converged = status.condition(CONVERGED)
    if converged is None or not status.from_host:
        return False
    if converged.status or converged.reason in (*_GOES_ON, *others):
        return converged.status
    again = "" if converged.reason == "xloud.no_guest" else "; nova-xloud tries again by itself"
    return AdjustmentFailed(
        f"{converged.message}; {_has(status)}{again}",
        status,
        converged.reason,
    )


def _only_resource(adjustment: Adjustment) -> str | None:
    """Return the resource that ``adjustment`` names; None if that is both or neither."""
    named = [resource for resource in _REFUSALS if getattr(adjustment, resource) is not None]
    return named[0] if len(named) == 1 else None


def _has_reached(status: Status, resource: str) -> bool:
    """Return whether a running guest has what is desired of one resource, as far as is known."""
    numbers = status.numbers
    if not status.running:
        return False
    sizes = (numbers.desired, numbers.reserved, numbers.actuated, numbers.observed)
    desired, reserved, actuated, observed = (getattr(size, resource) for size in sizes)
    return bool(reserved >= desired == actuated and observed in (None, desired))


def _refusals_of_the_other(resource: str | None) -> tuple[str, ...]:
    """Return the reasons that are not about ``resource``; none if it is None."""
    if resource is None:
        return ()
    return _REFUSALS["memory_mb" if resource == "vcpus" else "vcpus"]


@dataclass
class Waiting:
    """One wait for one adjustment.

    :ivar read: reads the server's status and returns it
    :ivar timeout: seconds after which the wait ends
    :ivar tell: called once for each stage that is reached and for each reason for delay
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
    _generations: tuple[int, int] | None = None

    def run(self) -> Status:
        """Wait, and return the status with which the adjustment was reached.

        If the status cannot be read because the connection, Nova or Placement fails, it is read
        again until the timeout.

        :raises NotReached: the adjustment is not reached, or not in time: one of the subclasses,
            with the last status that could be read
        :raises AdjustmentRefused: the status cannot be read, for example because the server is gone
        :raises NotInstalled: the nova-api that answered runs without nova-xloud
        """
        began = self.clock()
        self._tell(began, Stage.ASKED)
        while True:
            status = self._look(began)
            if status is not None:
                outcome = judge(status, self.adjustment, *self._followed(status))
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
        except (ClientException, HttpException, PlacementUnavailable, UnreadableAnswer) as error:
            # The adjustment continues, whether its status can be read or not.
            self._note(began, f"the server's status cannot be read at the moment: {error}")
            return None
        for stage in stages(status):
            self._tell(began, stage)
        self._note(began, note(status))
        # Such a status has the sizes and the generation of a server that was never adjusted.
        return None if status.is_in_part else status

    def _followed(self, status: Status) -> tuple[int, int]:
        """Return the generations to judge ``status`` by, see :func:`judge`."""
        generation = status.generation
        first, last = self._generations or (generation, generation)
        if self.adjustment.is_of(status.numbers.desired):
            last = generation
        self._generations = first, last
        return first, last

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
    """Return what the guest has and what is claimed, for the end of a message."""
    if status.is_in_part:
        return "what the guest has and what is claimed for the server is unknown"
    numbers = status.numbers
    claimed = f"{numbers.reserved} are claimed for the server"
    if numbers.actuated is None:
        return f"what the guest has is unknown; {claimed}"
    if not status.running:
        return f"the server does not run; {claimed}"
    return f"the guest has {numbers.observed.at_least_known(numbers.actuated)}; {claimed}"
