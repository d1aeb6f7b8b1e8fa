# SPDX-License-Identifier: Apache-2.0
"""Reports from a journal what each server should have, why, and what that frees on the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nova_xloud.core.autoscaling.growth import rounded_up
from nova_xloud.core.autoscaling.journal import Entry, Record
from nova_xloud.core.autoscaling.recommendation import Advice
from nova_xloud.core.autoscaling.settings import Range
from nova_xloud.core.size import Size

# With one of these codes the size stays: the floor is not one to rely on, or cannot be reached.
STAYS = frozenset(
    f"hold.{code}"
    for code in ("blocked", "boot", "no_sample", "not_smaller", "stale", "unknown", "window")
)

# A server about which nothing was decided in so many rounds before the last decision of the journal
# is not scaled here any more: it was deleted, has moved, was shut off, or its mode was set to off.
ROUNDS_WITHOUT = 12


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one resource of a server should have, and why; vCPUs or MiB.

    :ivar should_have: the value that the resource would get to, see :func:`should_have`
    :ivar need: what the guest needed at the last decision; None if that is not known
    :ivar highest_need: what the guest needed at most in the journal; None if never known
    :ivar code: the reason code of the last decision, such as ``hold.stale``
    :ivar reason: the reason of the last decision, a sentence
    """

    should_have: int
    need: float | None
    highest_need: float | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What one server should have, by its decisions in a journal.

    :ivar uuid: the server's UUID
    :ivar mode: the server's mode at the last decision: ``observe`` or ``on``
    :ivar profile: the server's profile at the last decision
    :ivar has: the server's desired size at the last decision
    :ivar since: the time of the first decision, seconds since the epoch
    :ivar until: the time of the last decision, seconds since the epoch
    :ivar decisions: how many decisions about the server the journal has
    :ivar changes: how often the desired size differed from that of the decision before
    :ivar vcpus: what the server should have of vCPUs
    :ivar memory_mb: what the server should have of memory
    :ivar is_gone: whether nothing was decided about the server in the last rounds of the journal
        (``ROUNDS_WITHOUT``): then it frees nothing on this host
    """

    uuid: str
    mode: str
    profile: str
    has: Size
    since: float
    until: float
    decisions: int
    changes: int
    vcpus: Evidence
    memory_mb: Evidence
    is_gone: bool = False

    @property
    def frees(self) -> Size:
        """The vCPUs and MiB that the host gets back if the server gets what it should have.

        A negative number is what the server needs more.
        """
        return Size(
            self.has.vcpus - self.vcpus.should_have,
            self.has.memory_mb - self.memory_mb.should_have,
        )


def should_have(advice: Advice, desired: int, allowed: Range, step: float, band: float) -> int:
    """Return the value that a resource would get to if its need stayed as it was; vCPUs or MiB.

    Growth is recommended in one step. Shrinking is recommended step by step, until no more than
    ``band`` is above the advice's ``floor``; guests with little free memory take smaller steps. The
    result is ``desired`` if the floor is not known, if the code says so (``STAYS``), or if there
    are votes for growth: then it was not decided whether the resource could shrink.

    :param advice: the last recommendation for the resource
    :param desired: the desired value at that time
    :param allowed: the values to which the resource may be set
    :param step: by how much the resource shrinks in one step at most
    :param band: the share of its value by which the resource may be above the floor
    """
    if advice.code.startswith("grow"):
        return advice.wanted
    if advice.code in STAYS or advice.votes or advice.floor is None:
        return desired
    value = min(desired, advice.wanted)
    while value - advice.floor > band * value:
        smaller = rounded_up(max(advice.floor, value - step), allowed)
        if smaller >= value:
            break
        value = smaller
    return value


class _Server:
    """Collects the decisions about one server while a journal is read."""

    def __init__(self, first: Entry) -> None:
        self.first = self.last = first
        self.decisions = self.changes = 0
        self._vcpus: float | None = None
        self._memory: float | None = None

    def add(self, entry: Entry) -> None:
        """Count one more decision, and keep it as the last one."""
        self.decisions += 1
        self.changes += entry.sample.desired != self.last.sample.desired
        self.last = entry
        self._vcpus = _higher(self._vcpus, entry.recommendation.vcpus.need)
        self._memory = _higher(self._memory, entry.recommendation.memory_mb.need)

    def report(self, newest: Entry) -> ServerReport:
        """Return the report of the server, from all decisions that were added.

        :param newest: the last decision of the journal, about any server
        """
        last, desired = self.last, self.last.sample.desired
        recommendation = last.recommendation
        return ServerReport(
            last.uuid,
            last.mode.value,
            last.profile.value,
            desired,
            self.first.recommendation.at,
            recommendation.at,
            self.decisions,
            self.changes,
            _evidence(recommendation.vcpus, _vcpus(last), self._vcpus),
            _evidence(recommendation.memory_mb, _memory_mb(last), self._memory),
            newest.recommendation.at - recommendation.at
            > ROUNDS_WITHOUT * newest.constants.interval,
        )


def _higher(before: float | None, need: float | None) -> float | None:
    if before is None or need is None:
        return before if need is None else need
    return max(before, need)


def _vcpus(last: Entry) -> int:
    allowed, desired = last.ranges.vcpus, last.sample.desired.vcpus
    return should_have(last.recommendation.vcpus, desired, allowed, max(1, allowed.step), 0.0)


def _memory_mb(last: Entry) -> int:
    allowed, desired, tuning = last.ranges.memory_mb, last.sample.desired.memory_mb, last.constants
    step = max(1.0, tuning.shrink_step * allowed.largest)
    advice = last.recommendation.memory_mb
    return should_have(advice, desired, allowed, step, tuning.dead_band)


def _evidence(advice: Advice, value: int, highest: float | None) -> Evidence:
    return Evidence(value, advice.need, highest, advice.code, advice.reason)


def reports(records: Iterable[Record]) -> tuple[ServerReport, ...]:
    """Return the report of each server about which ``records`` has a decision.

    The one that frees most memory comes first, of those alike the one that frees most vCPUs.
    Servers that are gone come last.
    """
    servers: dict[str, _Server] = {}
    newest: Entry | None = None
    for record in records:
        if isinstance(record, Entry):
            newest = record
            servers.setdefault(record.uuid, _Server(record)).add(record)
    if newest is None:
        return ()
    found = [server.report(newest) for server in servers.values()]
    order = sorted(found, key=lambda r: (-r.frees.memory_mb, -r.frees.vcpus, r.uuid))
    return tuple(sorted(order, key=lambda r: r.is_gone))
