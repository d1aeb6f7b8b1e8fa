# SPDX-License-Identifier: Apache-2.0
"""The engine's ports: every call takes time each way, may be lost, and may be the caller's last.

A call that changes something leaves its sender behind: once it is on its way it is done, whether
the sender still lives or not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.ports import (
    ClaimConflict,
    Domain,
    Instance,
    ManagedInstance,
    RecordView,
    Reservation,
)
from nova_xloud.compute.watch import Watch
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    DomainCallFailed,
    DomainNotFound,
    NotFound,
    PlacementUnavailable,
    RemovalTimedOut,
    XloudError,
)
from nova_xloud.testing import FakeDomain
from nova_xloud.testing.behaviour import Power
from nova_xloud.testing.fake_domain import without_documents
from tests.simulator.scenario import REMOVES_NOTHING, Faults
from tests.simulator.schedule import Killed, Lock
from tests.simulator.server import Server

if TYPE_CHECKING:
    from tests.simulator.history import World

Answer = TypeVar("Answer")


class MessagingTimeout(Exception):
    """What nova-conductor's silence is to nova-compute; no error of ours."""


class Wire:
    """The way of every call out of nova-compute."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._faults = world.scenario.faults
        self._rng = world.rng

    def calm_down(self, faults: Faults) -> None:
        self._faults = faults

    def hop(self) -> None:
        """Some time passes, and nova-compute may die."""
        world, faults = self._world, self._faults
        if faults.crash and self._rng.random() < faults.crash:
            world.compute.crash()
        world.schedule.sleep(self._rng.expovariate(1 / faults.hop))

    def conflicts(self) -> bool:
        """Whether somebody else writes the same allocation just before we do."""
        often = self._faults.conflict
        return bool(often) and self._rng.random() < often

    def conflict_is_slow(self) -> None:
        """Placement's answer that there is a conflict is long on its way."""
        longest = self._faults.conflict_late
        if longest:
            self._world.schedule.sleep(self._rng.uniform(0, longest))

    def fails_libvirt(self) -> None:
        """:raises DomainCallFailed: nothing was done, and why is not to be understood"""
        often = self._faults.libvirt_fails
        if often and self._rng.random() < often:
            raise DomainCallFailed("simulated: internal error")

    def guest_is_slow(self) -> None:
        """Something else goes on with the guest, and libvirt lets us wait."""
        often = self._faults.libvirt_slow
        if often and self._rng.random() < often:
            self._world.count("libvirt is slow")
            self._world.schedule.sleep(self._rng.uniform(1, 8))

    def read(self, do: Callable[[], Answer]) -> Answer:
        """One that changes nothing."""
        self.hop()
        answer = do()
        self.hop()
        return answer

    def change(
        self,
        server: Server,
        what: str,
        do: Callable[[], Answer],
        lost: str = "",
        error: Callable[[str], Exception] = PlacementUnavailable,
    ) -> Answer:
        """One that changes something.

        :param lost: which of the faults is that it is done and its answer does not come back
        :param error: what that looks like
        """
        world = self._world
        actor = world.schedule.current
        assert actor is not None
        self.hop()
        actor.shielded = True
        try:
            world.schedule.sleep(self._rng.expovariate(1 / self._faults.hop))
            world.checks.everything()
            try:
                answer = do()
            except (XloudError, ClaimConflict) as refusal:
                world.count(f"answer: {type(refusal).__name__}")
                world.note(what, server, refusal)
                raise
            else:
                world.note(what, server)
            finally:
                world.checks.everything()
        finally:
            actor.shielded = False
            if actor.doomed:
                # Nobody is left to hear how it went.
                raise Killed
        self.hop()
        if lost and (often := getattr(self._faults, lost)) and self._rng.random() < often:
            world.count(f"answer lost: {lost}")
            world.note(f"the answer to {what} is lost", server)
            raise error("simulated: no answer")
        return answer


class SimDomain:
    def __init__(self, wire: Wire, world: World, server: Server) -> None:
        self._wire, self._world, self._server = wire, world, server

    @property
    def _domain(self) -> Domain:
        # Found by the instance's UUID at each call, as libvirt does.
        return FakeDomain(self._server.guest)

    def read(self, *, agent: bool = True) -> DomainReading:
        self._called()
        reading = self._wire.read(lambda: self._domain.read(agent=agent))
        self._world.checks.seen(self._server, reading)
        return reading

    def ping(self) -> None:
        self._called()
        self._wire.read(self._domain.ping)

    def set_vcpus(self, count: int) -> None:
        def do() -> None:
            guest = self._server.guest
            ran, had = guest.active, self._server.held.vcpus
            self._world.count(f"step: {'plug' if count > had else 'unplug'} vCPUs")
            try:
                self._domain.set_vcpus(count)
            except RemovalTimedOut:
                # It may have come to its senses while libvirt waited.
                # Unless it only takes its time.
                awake = guest.power is Power.RUNNING and not guest.timing.removal_seconds
                if guest.behaviour not in REMOVES_NOTHING and awake:
                    guest.settle()
                raise
            except DomainCallFailed:
                if ran and count > had and not guest.active:
                    self._world.checks.qemu_has_died(self._server)
                raise

        self._change(f"set vCPUs {count}", do)

    def set_memory(self, mib: int) -> None:
        def do() -> None:
            self._domain.set_memory(mib)
            seen = self._world.checks.last_seen(self._server)
            way = "more" if mib > seen.memory_mb else "less" if mib < seen.memory_mb else "stop"
            self._world.count(f"step: balloon, {way}")
            self._server.balloon_told(mib, seen.memory_mb)

        self._change(f"set memory {mib}", do)

    def set_statistics_period(self, seconds: int) -> None:
        self._world.count(f"step: statistics {'often' if seconds == 1 else 'as usual'}")
        self._change(
            f"set statistics period {seconds}", lambda: self._domain.set_statistics_period(seconds)
        )

    def set_definition(self, size: Size) -> None:
        self._world.count("step: definition")
        self._change(f"set definition {size}", lambda: self._domain.set_definition(size))

    def set_vcpus_online(self, count: int) -> None:
        self._world.count("step: agent brings vCPUs online, or takes them offline")
        self._change(f"agent: {count} online", lambda: self._domain.set_vcpus_online(count))

    def _called(self) -> None:
        self._world.checks.guest_called()
        self._wire.guest_is_slow()

    def _change(self, what: str, do: Callable[[], None]) -> None:
        self._world.checks.guest_is_ours(self._server, what)
        self._called()

        def do_or_fail() -> None:
            self._wire.fails_libvirt()
            do()

        self._wire.change(self._server, what, do_or_fail, "libvirt_lost", DomainCallFailed)


class SimClaims:
    def __init__(self, wire: Wire, world: World, server: Server) -> None:
        self._wire, self._world, self._server = wire, world, server

    def read(self) -> Reservation:
        self._world.checks.claim_read()
        return self._wire.read(self._server.claims.read)

    def check(self, current: Reservation, size: Size) -> None:
        """Only a dry run asks for it."""

    def write(self, current: Reservation, size: Size) -> Reservation:
        world, server = self._world, self._server

        def do() -> Reservation:
            if self._wire.conflicts():
                server.claims.conflicts = 1
            before = server.claims.size
            world.checks.writes_a_claim(server)
            written = server.claims.write(current, size)
            world.count(f"step: {'release' if before.covers(size) else 'claim'}")
            world.checks.claimed(server, before)
            return written

        try:
            return self._wire.change(server, f"claim {size}", do, "claim_lost")
        except (ClaimConflict, PlacementUnavailable) as error:
            world.checks.not_claimed()
            if isinstance(error, ClaimConflict):
                self._wire.conflict_is_slow()
            raise


class SimRecord:
    def __init__(self, wire: Wire, world: World, server: Server) -> None:
        self._wire, self._world, self._server = wire, world, server

    def refresh(self) -> RecordView:
        return self._wire.read(self._server.record.refresh)

    def write(self, desired: Desired, recorded: Size) -> None:
        def do() -> None:
            before = self._server.record.desired
            self._server.record.write(desired, recorded)
            self._count(desired, before)
            self._world.checks.recorded(self._server, before)

        progress = desired.progress
        what = f"record {desired.target} {progress.phase.value} {progress.code}"
        if desired.removal_pending is not None:
            what += f", removal down to {desired.removal_pending}"
        what += "".join(f", {one.type}" for one in desired.recorded_conditions)
        self._wire.change(self._server, what, do, "record_lost", MessagingTimeout)

    def _count(self, now: Desired, before: Desired) -> None:
        count = self._world.count
        if now.removal_pending != before.removal_pending:
            count(f"step: removal {'settled' if now.removal_pending is None else 'begins'}")
        if before.live is not None and now.live is None and now.generation == before.generation:
            count("step: forget what was not persisted")
        if now.progress.phase is not before.progress.phase:
            count(f"phase: {now.progress.phase.value}")
        if now.given_up not in (None, before.given_up):
            count("condition: GaveUp")
        for condition in now.recorded_conditions:
            if condition not in before.recorded_conditions:
                count(f"condition: {condition.type}")


class SimActions:
    """For people to read: no size depends on it."""

    def start(self, name: str) -> None:
        """See :class:`nova_xloud.compute.ports.Actions`."""

    @contextlib.contextmanager
    def event(self, name: str) -> Iterator[None]:
        yield

    def open_events(self) -> list[str]:
        return []

    def end_superseded(self, request_id: str) -> None:
        """See :class:`nova_xloud.compute.ports.Actions`."""

    def notify(self, name: str, error: Exception | None = None) -> None:
        """See :class:`nova_xloud.compute.ports.Actions`."""


def _stats(server: Server, *, documents: bool) -> DomainStats:
    stats = FakeDomain(server.guest).stats()
    return stats if documents else without_documents(stats)


class SimHostInstances:
    """The host's instances for the reconcile pass."""

    def __init__(self, wire: Wire, world: World, opens: Callable[[Server], Instance]) -> None:
        self._wire, self._world, self._opens = wire, world, opens

    def domain_stats(self, uuids: Collection[str]) -> Mapping[str, DomainStats]:
        return self._wire.read(
            lambda: {
                one.uuid: _stats(one, documents=one.uuid in uuids)
                for one in self._world.servers
                if one.guest.exists
            }
        )

    def boot_ids(self) -> Mapping[str, int]:
        return self._world.compute.ran_already

    def records(self) -> Sequence[ManagedInstance]:
        def query() -> list[ManagedInstance]:
            records = [(one, one.record) for one in self._world.servers]
            return [
                ManagedInstance(one.uuid, "node", record.refresh())
                for one, record in records
                if record.on_this_host and not record.deleted
            ]

        return self._wire.read(query)

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        servers = {one.uuid: one for one in self._world.servers}
        return self._wire.read(
            lambda: {one.uuid: servers[one.uuid].claims.read().size for one in instances}
        )

    def open(self, uuid: str, request_id: str) -> Instance:
        (server,) = (one for one in self._world.servers if one.uuid == uuid)
        if server.record.deleted:
            raise NotFound("simulated: it was deleted")
        return self._opens(server)

    def actions(self, uuid: str, request_id: str) -> SimActions:
        return SimActions()


def open_instance(
    world: World,
    wire: Wire,
    boot_grace: BootGrace,
    watch: Watch,
    lock: Callable[[Server], Lock],
    server: Server,
) -> Instance:
    """The ports of one instance, for one nova-compute."""

    def domain() -> Domain:
        if not server.guest.exists:
            raise DomainNotFound("simulated: no such domain")
        return SimDomain(wire, world, server)

    return Instance(
        uuid=server.uuid,
        domain=domain,
        claims=SimClaims(wire, world, server),
        record=SimRecord(wire, world, server),
        actions=SimActions(),
        lock=lambda within: lock(server).within(within),
        booting=lambda reading: boot_grace.is_booting(server.uuid, reading),
        watched=lambda reading: watch.judged(server.uuid, reading),
    )
