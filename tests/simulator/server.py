# SPDX-License-Identifier: Apache-2.0
"""One instance: its row in the database, its allocation, its guest, and what may be excused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.libvirt.guest_xml import KIB, GuestSize
from nova_xloud.testing import FakeGuest, vcpu_list
from nova_xloud.testing.behaviour import Rejected
from nova_xloud.testing.fake_ports import NOTHING, FakeActions, FakeRecord
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

    :ivar away: its guest, while it runs on another host
    :ivar claimed_away: what is reserved there for it
    :ivar unrescue: while it is rescued: the definition that it had, and is started from after that
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
        self.claims = Allocation(provider, plan.size, written_often=plan.claimed_often)
        self.actions = FakeActions()
        self.guest = self._guest(self._definition(plan.size))
        self.away: FakeGuest | None = None
        self.claimed_away = NOTHING
        self.unrescue: GuestSize | None = None
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
        """``max(actuated, observed)``: what the guest has, whatever QEMU says of it."""
        if not self.guest.active:
            return NOTHING
        vcpus = self.guest.live().vcpus
        return Size(vcpus, -(-self.guest.memory.actual_kib // KIB))

    @property
    def taken_for(self) -> Size:
        """What can be known of :attr:`held`: all its memory where its driver has not reported."""
        held = self.held
        if self.guest.active and not self.guest.has_reported():
            return Size(held.vcpus, self.guest.config.max_memory_kib // KIB)
        return held

    @property
    def reserved(self) -> Size:
        """What Placement holds for the guest that is here."""
        if self.covered_by_migration and self.migration is not None:
            return self.migration
        return self.claims.size

    def boot(self) -> None:
        """Define it anew with what is desired, and start it, as Nova's driver does."""
        self.record.desired = self.record.desired.restarted()
        self.boot_as_defined(self._definition(self.record.desired.persisted))

    def define(self) -> None:
        """Define it anew with what is desired; it stays off."""
        self._is_defined(self._definition(self.record.desired.persisted))

    def boot_as_defined(self, definition: GuestSize) -> None:
        """Start it from a definition; nobody looks at the record."""
        self._is_defined(definition)
        self.guest.start()
        self.booted_at = self._schedule.now()
        self.told_mb = self.in_mib(definition).memory_mb

    def _is_defined(self, definition: GuestSize) -> None:
        before = self.guest
        # Another one: whom libvirt still waits for is the old one.
        self.guest = self._guest(definition)
        self.guest.behaviour = before.behaviour
        self.guest.boot_id = before.boot_id

    def resets_itself(self) -> None:
        """Its libvirt id and its vCPUs stay; it has all of its memory until its driver is there."""
        self.guest.reset()
        self.booted_at = self._schedule.now()

    def leaves(self) -> None:
        """Its guest runs on another host from now on, and nothing of it is here."""
        self.guest.config = self.guest.live()
        self.away, self.guest = self.guest, self._guest(self.guest.config)
        self.guest.undefine()

    def arrives(self) -> None:
        """It runs here again, as another domain; what it is defined as is what the live one was."""
        assert self.away is not None
        self.guest, self.away = self.away, None
        self.guest.config = self.guest.live()
        self.guest.boot_id += 1

    @property
    def definitions(self) -> dict[str, Size]:
        """What each definition that there is of it would start with."""
        found = {}
        if self.guest.exists and self.guest.persistent:
            found["its definition"] = self.in_mib(self.guest.config)
        return found

    def unrescued(self) -> GuestSize:
        """What unrescue starts: the definition of before, with what our seam puts into it."""
        assert self.unrescue is not None
        self.record.desired = self.record.desired.restarted()
        return self._definition(self.record.desired.persisted)

    @staticmethod
    def in_mib(size: GuestSize) -> Size:
        """Of a running guest or a definition, memory rounded up."""
        return Size(size.vcpus, -(-size.memory_kib // KIB))

    def balloon_told(self, mib: int, seen_mb: int) -> None:
        """nova-xloud has told it to become ``mib``, having seen that it holds ``seen_mb``."""
        shrinks = mib <= max(seen_mb, self.held.memory_mb)
        # Half way back to what is reserved is better than nothing, and no promise.
        self.told_mb = min(mib, self.reserved.memory_mb) if shrinks else mib
        self.forced |= self.record.desired.force

    def _definition(self, size: Size) -> GuestSize:
        maximum = self.record.facts.maximum
        each = vcpu_list.at_boot(maximum.vcpus, size.vcpus, MINIMUM.vcpus)
        return GuestSize(each, maximum.memory_mb * KIB, size.memory_mb * KIB)

    def _guest(self, size: GuestSize) -> FakeGuest:
        plan = self.plan
        guest = FakeGuest(
            size,
            timing=plan.timing,
            clock=self._schedule,
            agent=plan.agent,
            autodeflate=plan.autodeflate,
        )
        if plan.agent_fails:
            guest.agent_says = Rejected("VIR_ERR_INTERNAL_ERROR", "The command is disabled")
        return guest
