"""Faults at the named points of nova_xloud's own code: the process is killed just there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import libvirt

from lab.chaos.daemons import points_of
from lab.chaos.fault import Fault, Stage
from lab.chaos.schedule import Way
from lab.errors import LabError
from lab.patience import Patience

# How long a process may take to come to its point.
REACHED_SECONDS = 25.0


@dataclass(frozen=True)
class Point:
    """A fault point, and how a process is brought there.

    :ivar way: whether the request has to grow or shrink the target for a process to come there
    :ivar daemon: the daemon that comes there; empty: the nova-compute of the target's host
    :ivar also: a point of the target's nova-compute that is armed too and is reached before
    :ivar bring: what else a process needs to come there: a key of ``_BROUGHT``
    :ivar alone: the fault is never caused together with another one
    """

    name: str
    way: Way
    daemon: str = ""
    also: str = ""
    bring: str = ""
    alone: bool = False


POINTS = (
    Point("admit.claimed", Way.GROW),
    Point("admit.recorded", Way.ANY),
    Point("reserve.recorded", Way.GROW),
    Point("action.started", Way.ANY),
    Point("step.claimed", Way.SHRINK, bring="grown by hand"),
    Point("step.removal_marked", Way.SHRINK),
    Point("step.definition_set", Way.ANY),
    Point("step.memory_set", Way.ANY),
    Point("step.vcpus_set", Way.ANY),
    Point("step.releasing", Way.SHRINK),
    Point("step.released", Way.SHRINK),
    Point("step.recording", Way.ANY),
    Point("step.recorded", Way.ANY),
    # A fault that ends the guest would end its pause too.
    Point("finish.released", Way.SHRINK, bring="paused", alone=True),
    Point("run.ended", Way.ANY),
    Point("api.quota_checked", Way.GROW, "nova-api"),
    Point("api.reserved", Way.GROW, "nova-api"),
    Point("api.quota_rechecked", Way.GROW, "nova-api"),
    Point("api.adjusted", Way.ANY, "nova-api"),
    # nova-api gives a claim back when the host that has it does not answer any more.
    Point("api.unreserving", Way.GROW, "nova-api", also="admit.recorded"),
    Point("database.updating", Way.ANY, "nova-conductor"),
    Point("database.updated", Way.ANY, "nova-conductor"),
)


def faults() -> list[Fault]:
    """Return a fault for each point."""
    return [
        Fault(
            f"killed at {point.name}",
            partial(_armed, point),
            first=True,
            way=point.way,
            alone=point.alone,
            # The checker asks nova-compute what the guests hold.
            blinds=not point.daemon or bool(point.also),
        )
        for point in POINTS
    ]


@contextmanager
def _armed(point: Point, stage: Stage) -> Iterator[None]:
    file = points_of(stage.layout, point.daemon or stage.nova_compute) / point.name
    before = points_of(stage.layout, stage.nova_compute) / point.also if point.also else None
    with _BROUGHT[point.bring](stage):
        for armed in (file, before):
            if armed is not None:
                armed.touch()
        yield
        patience = Patience(REACHED_SECONDS)
        while file.exists() and not patience.is_over():
            time.sleep(0.1)
        if file.exists():
            stage.missed.append(point.name)
    for armed in (file, before):
        if armed is not None:
            armed.unlink(missing_ok=True)


@contextmanager
def _as_it_is(stage: Stage) -> Iterator[None]:
    yield


@contextmanager
def _paused(stage: Stage) -> Iterator[None]:
    """Pause the target: a run that shrinks it is deferred, and ends as deferred."""
    stage.operations.pause(stage.target)
    try:
        yield
    finally:
        # After the fault, because the target's nova-compute may just be starting.
        stage.hands.append(lambda: stage.operations.unpause(stage.target))


@contextmanager
def _grown_by_hand(stage: Stage) -> Iterator[None]:
    """Give the target a vCPU through libvirt: a run finds more held than is reserved."""
    claimed = stage.cloud.claimed(stage.target)
    with stage.cloud.domain(stage.target) as domain:
        if domain is None or claimed is None:
            raise LabError(f"{stage.target} has no domain or no claim")
        domain.setVcpusFlags(claimed.vcpus + 1, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        stage.broken_by_hand = True
    yield


_BROUGHT = {"": _as_it_is, "paused": _paused, "grown by hand": _grown_by_hand}
