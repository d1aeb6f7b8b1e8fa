# SPDX-License-Identifier: Apache-2.0
"""Rows and questions that several scenes have in common."""

from lab.autoscale import judge
from lab.autoscale.judge import Row
from lab.autoscale.sample import Server
from lab.autoscale.stage import Stage
from lab.cloud import Answer
from lab.errors import NotSettled
from lab.guest.load import LoadReport
from lab.witnesses import Size

DEFERRED = "GrowthDeferred"


def rest(scene: str, size: Size | None) -> Row:
    """Return the row that a guest has booted and has its size; not met without a size."""
    return Row(scene, "booted, and at rest", str(size), size is not None)


def answered(scene: str, promised: str, answer: Answer) -> Row:
    """Return the row that a request was admitted."""
    measured = f"{answer.status} {answer.message}".strip()
    return Row(scene, promised, measured, answer.status == 202)


def deferred(stage: Stage, name: str) -> Row:
    """Wait until the condition says that a server does not get its growth, and return the row."""

    def is_deferred() -> bool:
        return DEFERRED in stage.cloud.conditions(stage.id(name))

    try:
        stage.cloud.wait(DEFERRED, is_deferred)
        measured = stage.cloud.conditions(stage.id(name)).get(DEFERRED, "not any more")
        return Row(stage.scene, f"{name} is deferred while there is no room", measured, True)
    except NotSettled:
        seen = ", ".join(stage.cloud.conditions(stage.id(name)))
        return Row(stage.scene, f"{name} is deferred while there is no room", seen, False)


def no_flap(stage: Stage, name: str) -> Row:
    """Return the row that no change of a server was soon reversed."""
    found = judge.flaps(stage.record, name)
    measured = ", ".join(f"{one.resource} at {one.at:.0f} s" for one in found) or "none"
    return Row(stage.scene, "no flap", measured, not found)


def never_below(stage: Stage, name: str, floor: Size, promised: str, since: float = 0.0) -> Row:
    """Return the row that a server never had less than a size since a moment."""
    problems = judge.below(stage.record, name, floor, since)
    measured = problems[0] if problems else f"never below {floor}"
    return Row(stage.scene, promised, measured, not problems)


def still(stage: Stage, name: str, since: float, promised: str) -> Row:
    """Return the row that a server had, and was to have, one and the same size since a moment."""
    found = judge.distinct(stage.record, name, since)
    measured = ", ".join(sorted(str(size) for size in found))
    return Row(stage.scene, promised, measured, len(found) == 1)


def cached(report: LoadReport | None) -> int:
    """Return the MiB that a guest has read; 0 without a report."""
    return 0 if report is None else report.cached_mb


def grew(one: Server, before: Size | None) -> int:
    """Return by how many MiB libvirt has a guest larger than before."""
    if one.libvirt is None or before is None:
        return 0
    return one.libvirt.memory_mb - before.memory_mb


def has_grown(one: Server, before: Size | None) -> bool:
    """Return whether libvirt has a guest with more memory than before."""
    return grew(one, before) > 0


def is_advised_more(one: Server, than: Size) -> bool:
    """Return whether more vCPUs than these are recommended for a server."""
    return one.advice is not None and one.advice.size.vcpus > than.vcpus


def covers(size: Size | None, other: Size) -> bool:
    """Return whether a size is known, and at least another one in both resources."""
    return size is not None and size.vcpus >= other.vcpus and size.memory_mb >= other.memory_mb


def has_at_most(one: Server, most: Size) -> bool:
    """Return whether a server is to have, has reserved, and holds no more than a size."""
    return all(
        covers(most, size) if size else False
        for size in (one.desired, one.after, one.libvirt, one.guest)
    )
