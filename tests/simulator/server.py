# SPDX-License-Identifier: Apache-2.0
"""One instance: its row in the database, its allocation, its guest, and what may be excused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_xloud.core.desired import Desired
from nova_xloud.core.envelope import FlavorFacts
from nova_xloud.core.size import Size
from nova_xloud.libvirt.guest_xml import KIB, GuestSize
from nova_xloud.testing import FakeGuest, vcpu_list
from nova_xloud.testing.ports import NOTHING, FakeActions, FakeRecord
from tests.simulator.placement import Allocation, Provider
from tests.simulator.scenario import MAXIMUM, MINIMUM, GuestPlan
from tests.simulator.schedule import Schedule

if TYPE_CHECKING:
    from tests.simulator.operations import Work


def flavor(maximum: Size = MAXIMUM) -> FlavorFacts:
    """Of a size, with the minimums all flavors here have."""
    specs = {"minimum_cpu": str(MINIMUM.vcpus), "minimum_memory": str(MINIMUM.memory_mb)}
    return FlavorFacts(maximum, specs)


class Server:
    """One instance of the host.

    :ivar migration: what the migration that it is in holds for it here; None: it is in none
    :ivar covered_by_migration: its guest here is the one that the migration's claim is for
    :ivar work: what a user has begun and nova-compute has not finished
    :ivar runs: how many runs of convergence are on their way
    :ivar task_since: when ``task_state`` was last set
    :ivar told_mb: what its balloon was last told, and has to be reserved; what it holds beyond it
        is its own doing
    :ivar seen_mb: what it was last seen to hold, and ``grew_at`` when that was more than before
    :ivar quiet_since: until then it held no more than is reserved, or nobody could help it
    :ivar booted_at: when its guest last started from nothing
    :ivar forced: its memory was made smaller with force
    """

    def __init__(self, name: str, plan: GuestPlan, provider: Provider, schedule: Schedule) -> None:
        self.uuid = self.name = name
        self.plan = plan
        self._schedule = schedule
        self.record = FakeRecord(
            flavor(), Desired(plan.size), vm_state="active" if plan.running else "stopped"
        )
        self.claims = Allocation(provider, plan.size)
        self.actions = FakeActions()
        self.guest = self._define(plan.size)
        self.guest.uses_kib = plan.uses_mb * KIB
        if plan.running:
            self.guest.start(arrived=True)
        self.migration: Size | None = None
        self.covered_by_migration = False
        self.work: Work | None = None
        self.runs = 0
        self.task_since = 0.0
        self.told_mb = plan.size.memory_mb
        self.seen_mb = self.held.memory_mb
        self.grew_at = self.booted_at = self.quiet_since = -1e9
        self.forced = False

    @property
    def held(self) -> Size:
        """``max(actuated, observed)``: what QEMU has. The guest cannot have more."""
        if not self.guest.active:
            return NOTHING
        size = self.guest.live()
        return Size(size.vcpus, -(-size.memory_kib // KIB))

    @property
    def reserved(self) -> Size:
        """What Placement holds for the guest that is here."""
        if self.covered_by_migration and self.migration is not None:
            return self.migration
        return self.claims.size

    def boot(self) -> None:
        """Define it anew with what is desired, and start it, as Nova's driver does."""
        self.record.desired = self.record.desired.restarted()
        before = self.guest
        # Another one: whom libvirt still waits for is the old one.
        self.guest = self._define(self.record.desired.persisted)
        self.guest.behaviour = before.behaviour
        self.guest.boot_id = before.boot_id
        self.guest.start()
        self.booted_at = self._schedule.now()
        self.told_mb = self.record.desired.persisted.memory_mb

    def balloon_told(self, mib: int, seen_mb: int) -> None:
        """nova-xloud has told it to become ``mib``, having seen that it holds ``seen_mb``."""
        shrinks = mib <= max(seen_mb, self.held.memory_mb)
        # Half way back to what is reserved is better than nothing, and no promise.
        self.told_mb = min(mib, self.reserved.memory_mb) if shrinks else mib
        self.forced |= self.record.desired.force

    def _define(self, size: Size) -> FakeGuest:
        maximum, plan = self.record.facts.maximum, self.plan
        each = vcpu_list.at_boot(maximum.vcpus, size.vcpus, MINIMUM.vcpus)
        return FakeGuest(
            GuestSize(each, maximum.memory_mb * KIB, size.memory_mb * KIB),
            timing=plan.timing,
            clock=self._schedule,
            agent=plan.agent,
            autodeflate=plan.autodeflate,
        )
