# SPDX-License-Identifier: Apache-2.0
"""What users do to a server, with task_state, claim and lock in the order that Nova has them.

nova-api sets ``task_state`` by compare-and-swap; then nova-compute is cast to. Only some take the
instance's lock there: stop, reboot and delete do; start, pause and the moves do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nova_xloud.core.desired import Desired
from nova_xloud.core.envelope import envelope
from nova_xloud.core.size import Size
from nova_xloud.testing.behaviour import Power
from tests.simulator.scenario import MAXIMUM, MINIMUM, Operation
from tests.simulator.server import Server, flavor

if TYPE_CHECKING:
    from tests.simulator.history import World

LARGER = Size(MAXIMUM.vcpus + 2, MAXIMUM.memory_mb)

# task_state, and the vm_states in which nova-api allows it.
ALLOWED = {
    "stop": ("powering-off", ("active",)),
    "start": ("powering-on", ("stopped",)),
    "reboot": ("rebooting_hard", ("active", "stopped", "paused", "suspended")),
    "pause": ("pausing", ("active",)),
    "unpause": ("unpausing", ("paused",)),
    "suspend": ("suspending", ("active",)),
    "resume": ("resuming", ("suspended",)),
    "migrate": ("migrating", ("active", "paused")),
    "resize": ("resize_prep", ("active", "stopped")),
    "delete": ("deleting", ("active", "stopped", "paused", "suspended")),
}
LOCKED = ("stop", "reboot", "delete")
# After these nova-xloud looks at the instance again.
LOOKED_AFTER = ("stop", "start", "reboot", "unpause", "resume")
# The longest that an operation may be kept waiting for the lock: one unplug that times out, and
# the calls around it.
PATIENCE = 30.0


class Work:
    """One operation of one user.

    :ivar on_host: nova-compute has it: a new life of it does it again
    """

    def __init__(self, world: World, server: Server, operation: Operation) -> None:
        self._world = world
        self._server = server
        self._operation = operation
        self.on_host = False
        self._saved = False

    def __str__(self) -> str:
        return f"{self._operation.kind} {self._server.name}"

    def begin(self) -> None:
        """What nova-api and nova-conductor do."""
        world, server, kind = self._world, self._server, self._operation.kind
        if kind == "shutdown":
            self._guest_shuts_down()
            return
        task_state, vm_states = ALLOWED[kind]
        record = server.record
        fit = record.here and not record.deleted and record.vm_state in vm_states
        if not fit or record.task_state is not None:
            world.note(f"user: {kind} is refused, as Nova does", server)
            return
        world.count(f"user: {kind}")
        record.task_state, server.task_since = task_state, world.schedule.now()
        server.work = self
        world.note(f"user: {kind}", server)
        self._moment()
        if kind in ("migrate", "resize") and not self._claim_the_move(kind):
            self._done()
            return
        self._moment()
        world.compute.deliver(str(self), self.run)

    def run(self) -> None:
        """What nova-compute does; done again from the start when it was killed."""
        world, server, kind = self._world, self._server, self._operation.kind
        if server.work is not self:
            return
        self.on_host = True
        do: Callable[[], None] = getattr(self, f"_{kind}")
        if kind in LOCKED:
            asked = world.schedule.now()
            with world.compute.lock(server):
                world.checks.kept_waiting(server, world.schedule.now() - asked, PATIENCE)
                do()
        else:
            do()
        if kind in LOOKED_AFTER:
            world.compute.host.reconcile()

    def _moment(self) -> None:
        longest = 5 * self._world.scenario.faults.hop
        self._world.schedule.sleep(self._world.rng.uniform(0, longest))

    def _takes(self) -> None:
        self._world.compute.wire.hop()
        self._world.schedule.sleep(self._operation.takes)

    def _done(self, vm_state: str | None = None) -> None:
        server = self._server
        if vm_state is not None:
            server.record.vm_state = vm_state
        server.record.task_state = None
        server.quiet_since = self._world.schedule.now()
        server.work = None
        self._seen("done")

    def _seen(self, what: str) -> None:
        self._world.note(f"{self._operation.kind}: {what}", self._server)
        self._world.checks.everything()

    def _off(self, *, save: bool = False) -> None:
        if self._server.guest.active:
            self._server.guest.stop(save=save)
        self._seen("the guest is off")

    def _boot(self) -> None:
        world, server = self._world, self._server
        world.checks.may_start(server)
        server.boot()
        world.count("guest boots")
        self._seen("the guest starts")

    def _stop(self) -> None:
        self._takes()
        self._off()
        self._world.compute.wire.hop()
        self._done("stopped")

    def _start(self) -> None:
        self._world.compute.wire.hop()
        if not self._server.guest.active:
            self._boot()
        self._world.compute.wire.hop()
        self._done("active")

    def _reboot(self) -> None:
        self._world.compute.wire.hop()
        self._off()
        self._world.compute.wire.hop()
        self._boot()
        self._world.compute.wire.hop()
        self._done("active")

    def _pause(self) -> None:
        self._world.compute.wire.hop()
        if self._server.guest.power is Power.RUNNING:
            self._server.guest.pause()
        self._done("paused")

    def _unpause(self) -> None:
        self._world.compute.wire.hop()
        if self._server.guest.power is Power.PAUSED:
            self._server.guest.resume()
        self._done("active")

    def _suspend(self) -> None:
        self._world.compute.wire.hop()
        if self._server.guest.active:
            self._saved = True
            self._off(save=True)
        elif not self._saved:
            # libvirt says no, and Nova lets the instance be as it was.
            self._done()
            return
        self._world.compute.wire.hop()
        self._done("suspended")

    def _resume(self) -> None:
        self._world.compute.wire.hop()
        if not self._server.guest.active:
            self._server.guest.start()
        self._done("active")

    def _delete(self) -> None:
        server = self._server
        self._world.compute.wire.hop()
        self._off()
        server.guest.undefine()
        self._world.compute.wire.hop()
        server.claims.move_away()
        server.record.deleted = True
        self._done()

    def _claim_the_move(self, kind: str) -> bool:
        """What is held here becomes the migration's; the instance's is what the target needs."""
        server, provider = self._server, self._world.provider
        if provider.unreachable:
            return False
        if kind == "migrate":
            provider.others[f"migration of {server.uuid}"] = server.claims.size
            server.migration, server.covered_by_migration = server.claims.size, True
            server.claims.move_away()
        else:
            if not provider.has_room_for(MINIMUM):
                return False
            provider.others[f"migration of {server.uuid}"] = server.claims.size
            server.migration, server.covered_by_migration = server.claims.size, True
            server.claims.somebody_else_writes(MINIMUM)
        self._seen("the claim is the migration's")
        return True

    def _migrate(self) -> None:
        """Away; or, every other time, it fails and everything is as before."""
        server, provider = self._server, self._world.provider
        self._takes()
        if self._operation.at % 2 < 1:
            assert server.migration is not None
            server.claims.come_back(server.migration)
        else:
            if server.guest.active:
                server.guest.stop()
            server.guest.undefine()
            server.record.here = False
        provider.others.pop(f"migration of {server.uuid}", None)
        server.migration, server.covered_by_migration = None, False
        self._done()

    def _resize(self) -> None:
        """To a larger flavor, on the same host; confirmed at once."""
        server, provider = self._server, self._world.provider
        was_on = server.guest.active or server.record.vm_state == "active"
        self._takes()
        self._off()
        server.record.facts = flavor(LARGER)
        boot = envelope(server.record.facts).boot
        server.record.desired, server.record.held = Desired(boot), boot
        server.covered_by_migration = False
        if was_on:
            self._boot()
        self._moment()
        provider.others.pop(f"migration of {server.uuid}", None)
        server.migration = None
        self._done("active" if was_on else "stopped")

    def _guest_shuts_down(self) -> None:
        """The guest ends by itself; some time later Nova notices, and stops the instance."""
        world, server = self._world, self._server
        record = server.record
        if not server.guest.active or record.deleted or not record.here:
            return
        server.guest.stop()
        self._seen("the guest ends by itself")
        world.count("guest ends by itself")
        world.schedule.sleep(self._operation.takes)
        stop = Operation(self._operation.at, self._operation.server, "stop", 0.0)
        Work(world, server, stop).begin()
