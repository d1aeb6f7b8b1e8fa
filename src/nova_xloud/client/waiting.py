# SPDX-License-Identifier: Apache-2.0
"""Waiting for an adjustment: what a status says of it, and the asking again and again."""

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

# The reasons of Converged while it is not decided yet.
_GOES_ON = ("xloud.admitted", "xloud.converging", "xloud.deferred", "xloud.drifted")


class Stage(enum.Enum):
    """How far an adjustment is, in this order."""

    ASKED = "asked"
    CLAIMED = "claimed"
    SET = "set"
    SEEN = "seen in the guest"


@dataclass(frozen=True, slots=True)
class Progress:
    """Something to tell while one waits: a stage that is reached, or why it takes longer.

    :ivar seconds: since the waiting began
    :ivar stage: None: no stage, but a ``note``
    """

    seconds: float
    stage: Stage | None
    note: str = ""


def stages(status: Status) -> Iterator[Stage]:
    """The stages that what is desired has reached."""
    numbers = status.numbers
    yield Stage.ASKED
    if numbers.reserved.covers(numbers.desired):
        yield Stage.CLAIMED
    if numbers.actuated == numbers.desired:
        yield Stage.SET
    if numbers.observed.is_size(numbers.desired):
        yield Stage.SEEN


def unconfirmed(status: Status) -> str:
    """What of a size that is reached nobody has seen in the guest; empty where all was seen."""
    observed = status.numbers.observed
    if not status.running:
        return ""
    if observed.memory_mb is None:
        who = "the guest's balloon driver does not report"
        return f"set; {who}" + ("" if observed.vcpus is not None else ", and it has no agent")
    return "set; the guest has no agent to confirm it" if observed.vcpus is None else ""


def note(status: Status) -> str:
    """Why it takes longer; empty when nothing is known."""
    if not status.from_host:
        return "its compute host is down; it goes on when that is back"
    converged = status.condition(CONVERGED)
    if converged is not None and converged.reason == "xloud.deferred":
        return converged.message or "another operation, or a paused guest, goes first"
    return ""


def judge(status: Status, adjustment: Adjustment, generation: int) -> bool | NotReached:
    """Whether ``adjustment`` is reached; or why it will not be.

    :param generation: of the first status after it was admitted
    """
    desired = status.numbers.desired
    gave_up = status.condition(GAVE_UP)
    if gave_up is not None and gave_up.status and status.generation == generation:
        # Of this request: the next one ends the condition.
        return AdjustmentFailed(f"{gave_up.message}; {_has(status)}", status, gave_up.reason)
    if status.generation != generation or not adjustment.is_of(desired):
        message = f"{desired} are desired by now: it was adjusted again, or has been restarted"
        return Superseded(message, status)
    refused = status.condition(GUEST_REFUSED)
    if refused is not None and refused.status:
        return GuestRefused(f"{refused.message}; {_has(status)}", status, refused.reason)
    converged = status.condition(CONVERGED)
    if converged is None or not status.from_host:
        return False
    if converged.status or converged.reason in _GOES_ON:
        return converged.status
    again = "" if converged.reason == "xloud.no_guest" else "; it is tried again by itself"
    return AdjustmentFailed(
        f"{converged.message}; {_has(status)}{again}",
        status,
        converged.reason,
    )


@dataclass
class Waiting:
    """One wait.

    :ivar read: reads the status
    :ivar tell: is told of the progress
    :ivar interval: seconds between two readings
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
        """The status with which it was reached.

        :raises NotReached: with the last status
        :raises AdjustmentRefused: the server is gone, say
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
            # It goes on whether one can look or not.
            self._note(began, f"its status cannot be read now: {error}")
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
        message = f"{self.adjustment} were not reached within {self.timeout:g} s, and it goes on"
        if self._status is None:
            return TimedOut(f"{message}; its status could not be read")
        message = "; ".join(filter(None, (message, note(self._status), _has(self._status))))
        converged = self._status.condition(CONVERGED)
        return TimedOut(message, self._status, converged.reason if converged else "")


def _has(status: Status) -> str:
    numbers = status.numbers
    if numbers.actuated is None:
        return f"what it has is not known, {numbers.reserved} are claimed"
    if not status.running:
        return f"it does not run, {numbers.reserved} are claimed"
    held = numbers.observed.at_least_known(numbers.actuated)
    return f"it has {held}, and {numbers.reserved} are claimed"
