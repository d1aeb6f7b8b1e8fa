# SPDX-License-Identifier: Apache-2.0
"""What each server of a journal should have, what that would free on the host, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nova_xloud.core.autoscaling.journal import Entry, Record
from nova_xloud.core.autoscaling.recommendation import Advice
from nova_xloud.core.size import Size

# With one of these codes the floor is not one to rely on, or cannot be reached: the size stays.
NOT_YET = frozenset(
    f"hold.{code}"
    for code in ("blocked", "boot", "no_sample", "not_smaller", "stale", "unknown", "window")
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the recommendation of one resource is based on.

    :ivar should_have: the value that it would get to, step by step
    :ivar need: what was needed last; None if that is not known
    :ivar highest_need: what was needed at most in the time of the journal; None if never known
    :ivar code: the code of the last decision
    :ivar reason: its reason, a sentence
    """

    should_have: int
    need: float | None
    highest_need: float | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What one server should have.

    :ivar uuid: the server
    :ivar mode: its mode when it was decided last
    :ivar profile: its profile then
    :ivar has: the size it was to have then
    :ivar since: when the journal of the server begins, seconds since the epoch
    :ivar until: when it was decided last
    :ivar decisions: how many decisions the journal has
    :ivar changes: how often the size that it was to have has changed in that time
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

    @property
    def frees(self) -> Size:
        """What is freed if the server gets what it should have; negative: what it needs more."""
        return Size(
            self.has.vcpus - self.vcpus.should_have,
            self.has.memory_mb - self.memory_mb.should_have,
        )


def should_have(advice: Advice, desired: int) -> int:
    """Return the value that a resource would get to if its need stayed as it was.

    Growth is recommended in one step. Shrinking is recommended step by step, down to the floor. The
    result is ``desired`` if the floor is not known, or cannot be relied on (:data:`NOT_YET`).
    """
    if advice.code.startswith("grow"):
        return advice.wanted
    if advice.code in NOT_YET or advice.floor is None:
        return desired
    return min(desired, advice.floor)


class _Server:
    """The decisions of one server while a journal is read."""

    def __init__(self, first: Entry) -> None:
        self.first = self.last = first
        self.decisions = self.changes = 0
        self._vcpus: float | None = None
        self._memory: float | None = None

    def add(self, entry: Entry) -> None:
        """Count one more decision."""
        self.decisions += 1
        self.changes += entry.sample.desired != self.last.sample.desired
        self.last = entry
        self._vcpus = _higher(self._vcpus, entry.recommendation.vcpus.need)
        self._memory = _higher(self._memory, entry.recommendation.memory_mb.need)

    def report(self) -> ServerReport:
        """Return what the server should have."""
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
            _evidence(recommendation.vcpus, desired.vcpus, self._vcpus),
            _evidence(recommendation.memory_mb, desired.memory_mb, self._memory),
        )


def _higher(before: float | None, need: float | None) -> float | None:
    if before is None or need is None:
        return before if need is None else need
    return max(before, need)


def _evidence(advice: Advice, desired: int, highest: float | None) -> Evidence:
    return Evidence(should_have(advice, desired), advice.need, highest, advice.code, advice.reason)


def reports(records: Iterable[Record]) -> tuple[ServerReport, ...]:
    """Return the report of each server: first the one that frees most memory, then most vCPUs."""
    servers: dict[str, _Server] = {}
    for record in records:
        if isinstance(record, Entry):
            servers.setdefault(record.uuid, _Server(record)).add(record)
    found = [server.report() for server in servers.values()]
    return tuple(sorted(found, key=lambda r: (-r.frees.memory_mb, -r.frees.vcpus, r.uuid)))
