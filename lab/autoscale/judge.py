# SPDX-License-Identifier: Apache-2.0
"""What was measured in a recorded scene, and whether it is as promised; pure functions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lab.autoscale.sample import Record, Sample, Server
from lab.guest.load import Distress
from lab.guest_stories import judge
from lab.guest_stories.judge import Look
from lab.witnesses import Size

# Samples are taken every two seconds; on a busy machine one may take some seconds.
LONGEST_GAP = 10.0
# A guest writes what it holds to its console every 5 s. So for that long after its size has changed
# its last report may be of the size before.
REPORT_SECONDS = 6.0
# A change up and a change down of the same resource within so many seconds are a flap.
FLAP_SECONDS = 60.0


@dataclass(frozen=True)
class Row:
    """One row of the table: what is promised, and what was measured.

    :ivar is_met: whether what was measured is as promised
    :ivar is_timing: whether only the clock decides; a busy machine is slower than promised
    """

    scene: str
    promised: str
    measured: str
    is_met: bool
    is_timing: bool = False


@dataclass(frozen=True)
class Change:
    """A change of one resource of a server's desired size: ``vcpus`` or ``memory_mb``.

    :ivar at: seconds since the recording began
    """

    at: float
    resource: str
    before: int
    after: int

    @property
    def is_growth(self) -> bool:
        """Whether it became more."""
        return self.after > self.before


def seen(record: Record, name: str) -> Iterator[tuple[float, Server]]:
    """Yield when a server was read, in seconds since the recording began, and what was read."""
    for sample in record.samples:
        if name in sample.servers:
            yield sample.at, sample.servers[name]


def took(
    record: Record, name: str, since: float, wanted: Callable[[Server], object]
) -> float | None:
    """Return the seconds from ``since`` to the first sample that is as wanted; None if none is."""
    for at, server in seen(record, name):
        if at >= since and wanted(server):
            return at - since
    return None


def has_vcpus(count: int) -> Callable[[Server], bool]:
    """Return a function that says whether libvirt and the guest have at least so many vCPUs."""
    return lambda one: all(
        size is not None and size.vcpus >= count for size in (one.libvirt, one.guest)
    )


def resting(record: Record, name: str, since: float, samples: int) -> Size | None:
    """Return the size that a server has had in its last samples, everywhere and all the time.

    :param samples: how many samples, all of them after ``since``
    :returns: None if the size has changed, or differs between Placement, libvirt and guest
    """
    last = [one for at, one in seen(record, name) if at >= since][-samples:]
    sizes = {size for one in last for size in (one.desired, one.after, one.libvirt, one.guest)}
    if len(last) < samples or len(sizes) != 1 or any(one.booting for one in last):
        return None
    return sizes.pop()


def distinct(record: Record, name: str, since: float) -> set[Size]:
    """Return all sizes that a server was to have, had reserved, or had, since a moment."""
    return {
        size
        for at, one in seen(record, name)
        for size in (one.desired, one.after, one.libvirt)
        if at >= since and size is not None
    }


def harm(record: Record, name: str, since: float = 0.0) -> Distress | None:
    """Return the distress that a guest has counted since a moment; None if it never reported.

    It is counted from the last report before that moment, or from the first report.
    """
    told = [(at, one.distress) for at, one in seen(record, name) if one.distress is not None]
    if not told:
        return None
    before = [distress for at, distress in told if at <= since] or [told[0][1]]
    return told[-1][1].since(before[-1])


def changes(record: Record, name: str) -> list[Change]:
    """Return each change of the server's desired size, in the order of time."""
    desired = [(at, one.desired) for at, one in seen(record, name) if one.desired is not None]
    found = []
    for (_, before), (at, after) in pairwise(desired):
        for resource in ("vcpus", "memory_mb"):
            was, is_now = getattr(before, resource), getattr(after, resource)
            if was != is_now:
                found.append(Change(at, resource, was, is_now))
    return found


def flaps(record: Record, name: str, within: float = FLAP_SECONDS) -> list[Change]:
    """Return each change that reverses the last change of its resource soon after it."""
    last: dict[str, Change] = {}
    found = []
    for change in changes(record, name):
        before = last.get(change.resource)
        is_reversed = before is not None and before.is_growth != change.is_growth
        if before is not None and is_reversed and change.at - before.at <= within:
            found.append(change)
        last[change.resource] = change
    return found


def below(record: Record, name: str, floor: Size, since: float = 0.0) -> list[str]:
    """Return a sentence for each sample in which a server has less than a size in some resource."""
    found = []
    for at, one in seen(record, name):
        for what, size in (("is to have", one.desired), ("has", one.libvirt)):
            if at >= since and size is not None and not covers(size, floor):
                found.append(f"At {at:.0f} s {name} {what} {size}, which is less than {floor}.")
    return found


def oversold(record: Record) -> list[str]:
    """Return a sentence for each sample in which more is allocated of the host than it has."""
    return [
        f"At {sample.at:.0f} s {sample.used} of {sample.capacity} are allocated."
        for sample in record.samples
        if not covers(sample.capacity, sample.used)
    ]


def too_little(record: Record) -> list[str]:
    """Return a sentence for each sample in which less is reserved for a server than it holds."""
    return [
        f"At {at:.0f} s, {name}: {problem}"
        for name in _names(record)
        for at, one in _as_reported(record, name)
        if (problem := judge.too_little(_look(one)))
    ]


def _as_reported(record: Record, name: str) -> Iterator[tuple[float, Server]]:
    """Yield what :func:`seen` yields, without reports of the guest that may be of a size before."""
    moved_at, before = float("-inf"), None
    for at, one in seen(record, name):
        if one.booting or one.libvirt != before:
            moved_at, before = at, one.libvirt
        yield at, one if at - moved_at > REPORT_SECONDS else replace(one, guest=None)


def longest_gap(samples: Sequence[Sample]) -> float:
    """Return the longest time between two samples in seconds; infinity with fewer than two."""
    return max((after.at - before.at for before, after in pairwise(samples)), default=float("inf"))


def always(record: Record) -> list[Row]:
    """Return the rows of what has to hold at every moment of every scene."""
    gap = longest_gap(record.samples)
    count = len(record.samples)
    return [
        _all_clear(record, "the sum of the claims is within the host's capacity", oversold(record)),
        _all_clear(record, "at every moment as much is reserved as held", too_little(record)),
        Row(
            record.scene,
            f"samples without a gap of more than {LONGEST_GAP:.0f} s",
            f"{count} samples, longest gap {gap:.1f} s",
            gap <= LONGEST_GAP,
            is_timing=True,
        ),
    ]


def within(scene: str, promised: str, seconds: float | None, limit: float) -> list[Row]:
    """Return two rows: whether something came at all, and whether it came in time."""
    if seconds is None:
        return [Row(scene, promised, "never", False)]
    return [
        Row(scene, promised, "yes", True),
        Row(scene, f"in {limit:.0f} s", f"{seconds:.1f} s", seconds <= limit, is_timing=True),
    ]


def no_harm(scene: str, promised: str, distress: Distress | None) -> Row:
    """Return a row that is met if no process of the guest was killed, and nothing swapped out."""
    measured = "the guest did not report" if distress is None else str(distress)
    return Row(scene, promised, measured, distress is not None and not distress.is_harm())


def _all_clear(record: Record, promised: str, problems: Sequence[str]) -> Row:
    count = len(record.samples)
    measured = problems[0] if problems else f"in all of {count} samples"
    return Row(record.scene, promised, measured, not problems and count > 0)


def _names(record: Record) -> list[str]:
    return sorted({name for sample in record.samples for name in sample.servers})


def _look(one: Server) -> Look:
    return Look(one.before, one.libvirt, one.guest, one.after, one.booting)


def covers(size: Size, other: Size) -> bool:
    """Return whether a size is at least another one in both resources."""
    return size.vcpus >= other.vcpus and size.memory_mb >= other.memory_mb
