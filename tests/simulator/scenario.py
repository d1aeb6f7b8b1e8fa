# SPDX-License-Identifier: Apache-2.0
"""A history before it begins: who is there, who wants what, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from nova_xloud.conf import EngineOptions
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, Timing

MAXIMUM = Size(8, 4096)
MINIMUM = Size(2, 512)
# Seconds in which requests, operations and trouble begin.
LENGTH = 100.0
RECONCILE_EVERY = 20.0
RPC_TIMEOUT = 60.0
OPTIONS = EngineOptions(
    converge_workers=2,
    step_timeout=6.0,
    poll_interval=0.5,
    claim_attempts=3,
    hotplug_timeout=15.0,
    boot_grace=10.0,
    retry_interval=RECONCILE_EVERY,
    retry_max_interval=4 * RECONCILE_EVERY,
)
VCPUS = (2, 3, 4, 6, 8)
REMOVES_NOTHING = (Behaviour.REMOVAL_TIMES_OUT, Behaviour.REFUSES)
MEMORY_MB = (512, 768, 1024, 1536, 2048, 3072, 4096)


@dataclass(frozen=True)
class Mood:
    """From ``at`` on a guest behaves so.

    :ivar settles: vCPUs that libvirt gave up waiting for are reported gone
    """

    at: float
    behaviour: Behaviour
    settles: bool = False


@dataclass(frozen=True)
class Growth:
    """For ``seconds`` its programs need more, every second."""

    at: float
    seconds: float
    mb_per_second: int = 5


@dataclass(frozen=True)
class GuestPlan:
    """One instance, and how its guest is.

    :ivar agent_fails: its agent answers with an error
    :ivar claimed_often: its claim has been written often: a new one is never taken for it
    :ivar stays_stuck: when faults stop, it goes on as it is
    """

    size: Size
    running: bool
    agent: bool
    autodeflate: bool
    timing: Timing
    moods: tuple[Mood, ...]
    growth: tuple[Growth, ...]
    uses_mb: int
    stays_stuck: bool
    agent_fails: bool = False
    claimed_often: bool = False


@dataclass(frozen=True)
class Request:
    """Somebody asks for a size.

    :ivar lost: ``request`` never arrives; ``answer`` never comes back
    :ivar late: seconds on its way
    :ivar again_after: it is delivered a second time that much later
    :ivar queued: seconds in nova-compute until there is a thread for it
    :ivar waits: by ``hotplug_vcpus``, which answers when the guest has them
    """

    at: float
    server: int
    vcpus: int | None
    memory_mb: int | None
    persist: bool
    force: bool
    lost: str
    late: float
    again_after: float | None
    waits: bool
    queued: float = 0.0


@dataclass(frozen=True)
class Operation:
    """A user does something.

    :ivar takes: seconds that the longest part of it lasts
    :ivar how: how it goes, where there is more than one way
    """

    at: float
    server: int
    kind: str
    takes: float
    how: str = ""


@dataclass(frozen=True)
class Tenant:
    """Another instance is put on the host, if there is room, and leaves it again."""

    at: float
    size: Size
    stays: float


@dataclass(frozen=True)
class Narrowing:
    """From ``at`` until ``until`` the host's inventory is another one.

    :ivar how: ``capacity``: less than is used; ``max_unit``: no allocation as large as some that
        there are; ``class``: Placement has no memory there
    """

    at: float
    until: float
    how: str


@dataclass(frozen=True)
class Faults:
    """How often a call does not go well, each from 0 to 1.

    :ivar hop: seconds that a call takes each way, on average
    :ivar crash: nova-compute dies, per hop
    :ivar crashes: how often at most
    :ivar conflict: somebody else writes the same allocation just before we do
    :ivar conflict_late: seconds until we hear of that, at most: Placement tries again itself
    :ivar claim_lost: Placement did it, and its answer is lost
    :ivar record_lost: the same of the database
    :ivar libvirt_lost: the same of libvirt
    :ivar libvirt_fails: libvirt says an error that tells nothing, and has done nothing
    :ivar libvirt_slow: a call to a guest takes seconds
    :ivar away: from when to when Placement answers nobody
    :ivar narrowings: what happens to the host's inventory
    :ivar strict: Placement is older than 14.0: it takes no claim where the host stays over full
    """

    hop: float = 0.01
    crash: float = 0.0
    crashes: int = 0
    conflict: float = 0.0
    conflict_late: float = 0.0
    claim_lost: float = 0.0
    record_lost: float = 0.0
    libvirt_lost: float = 0.0
    libvirt_fails: float = 0.0
    libvirt_slow: float = 0.0
    away: tuple[tuple[float, float], ...] = ()
    narrowings: tuple[Narrowing, ...] = ()
    strict: bool = False


@dataclass(frozen=True)
class Scenario:
    """One history before it has begun.

    :ivar capacity: of the host
    """

    seed: int
    options: EngineOptions
    capacity: Size
    guests: tuple[GuestPlan, ...]
    requests: tuple[Request, ...]
    operations: tuple[Operation, ...]
    tenants: tuple[Tenant, ...]
    faults: Faults = field(default_factory=Faults)


class Timed(Protocol):
    """What happens at some time."""

    @property
    def at(self) -> float:
        """Seconds from the beginning."""


T = TypeVar("T", bound=Timed)


def by_time(things: Iterable[T]) -> tuple[T, ...]:
    """In the order in which they happen."""
    return tuple(sorted(things, key=lambda thing: thing.at))
