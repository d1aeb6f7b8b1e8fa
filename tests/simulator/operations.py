# SPDX-License-Identifier: Apache-2.0
"""What users do to a server, with task_state, claim and lock in the order that Nova has them.

nova-api sets ``task_state`` by compare-and-swap; then nova-compute is cast to. Only some take the
instance's lock there: stop, the reboots and delete do; start, pause, rescue, rebuild and the moves
do not. A volume that is attached or detached takes the lock, for as long as it takes, and has no
``task_state``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nova_xloud.testing.behaviour import Power
from tests.simulator.moves import MOVES, Moves
from tests.simulator.restarts import Restarts
from tests.simulator.scenario import Operation

if TYPE_CHECKING:
    from tests.simulator.history import World
    from tests.simulator.server import Server

# task_state, and the vm_states in which nova-api allows it.
ALLOWED = {
    "stop": ("powering-off", ("active",)),
    "start": ("powering-on", ("stopped",)),
    "reboot": ("rebooting_hard", ("active", "stopped", "paused", "suspended", "error")),
    "soft_reboot": ("rebooting", ("active",)),
    "pause": ("pausing", ("active",)),
    "unpause": ("unpausing", ("paused",)),
    "suspend": ("suspending", ("active",)),
    "resume": ("resuming", ("suspended",)),
    "rescue": ("rescuing", ("active", "stopped", "error")),
    "unrescue": ("unrescuing", ("rescued",)),
    "rebuild": ("rebuilding", ("active", "stopped", "error")),
    "migrate": ("migrating", ("active", "paused")),
    "live_migrate": ("migrating", ("active", "paused")),
    "live_return": ("migrating", ("active", "paused")),
    "resize": ("resize_prep", ("active", "stopped")),
    "delete": ("deleting", ("active", "stopped", "paused", "suspended", "error", "rescued")),
}
LOCKED = ("stop", "reboot", "soft_reboot", "delete")
# After these nova-xloud looks at the instance again.
LOOKED_AFTER = (
    *("stop", "start", "reboot", "soft_reboot", "unpause", "resume"),
    *("rescue", "unrescue", "rebuild", "live_return"),
)
# The longest that nova-xloud may keep an operation waiting for the lock: one unplug that times
# out, and the calls around it.
PATIENCE = 30.0


class Work(Moves, Restarts):
    """One operation of one user.

    :ivar on_host: nova-compute has it: a new life of it does it again
    """

    def __init__(self, world: World, server: Server, operation: Operation) -> None:
        super().__init__(world, server, operation)
        self.on_host = False
        self._saved = False

    def begin(self) -> None:
        """What nova-api and nova-conductor do."""
        kind = self._operation.kind
        at_once: Callable[[], None] | None = getattr(self, f"_at_once_{kind}", None)
        if at_once is not None:
            at_once()
            return
        if not self._gets_its_task_state(kind):
            return
        self._moment()
        if kind in MOVES and not self._claim_the_move():
            self._done()
            return
        self._moment()
        self._world.compute.deliver(str(self), self.run)

    def _gets_its_task_state(self, kind: str) -> bool:
        world, server = self._world, self._server
        task_state, vm_states = ALLOWED[kind]
        record = server.record
        # Where it is has to be known to whoever moves it back, and to nobody else here.
        here = server.away is not None if kind == "live_return" else record.on_this_host
        fit = here and not record.deleted and record.vm_state in vm_states
        if not fit or record.task_state is not None:
            world.note(f"user: {kind} is refused, as Nova does", server)
            return False
        world.count(f"user: {kind}")
        record.task_state, server.task_since = task_state, world.schedule.now()
        server.work = self
        world.note(f"user: {kind}", server)
        return True

    def run(self) -> None:
        """What nova-compute does; done again from the start when it was killed."""
        world, server, kind = self._world, self._server, self._operation.kind
        if server.work is not self:
            return
        self.on_host = True
        do: Callable[[], None] = getattr(self, f"_{kind}")
        if kind in LOCKED:
            lock, asked = world.compute.lock(server), world.schedule.now()
            with lock.of_a_user():
                waited = world.schedule.now() - asked - lock.users_had_it(since=asked)
                world.checks.kept_waiting(server, waited, PATIENCE)
                do()
        else:
            do()
        if kind in LOOKED_AFTER:
            world.compute.host.reconcile()

    def _stop(self) -> None:
        self._takes()
        self._off()
        self._hop()
        self._done("stopped")

    def _start(self) -> None:
        self._hop()
        if not self._server.guest.active:
            self._boot()
        self._hop()
        self._done("active")

    def _pause(self) -> None:
        self._hop()
        if self._server.guest.power is Power.RUNNING:
            self._server.guest.pause()
        self._done("paused")

    def _unpause(self) -> None:
        self._hop()
        if self._server.guest.power is Power.PAUSED:
            self._server.guest.resume()
        self._done("active")

    def _suspend(self) -> None:
        self._hop()
        if self._server.guest.active:
            self._saved = True
            self._off(save=True)
        elif not self._saved:
            # libvirt says no, and Nova lets the instance be as it was.
            self._done()
            return
        self._hop()
        self._done("suspended")

    def _resume(self) -> None:
        self._hop()
        if not self._server.guest.active:
            self._server.guest.start()
        self._done("active")

    def _delete(self) -> None:
        server = self._server
        self._hop()
        self._off()
        server.guest.undefine()
        self._hop()
        server.claims.move_away()
        server.record.deleted = True
        self._done()

    def _at_once_shutdown(self) -> None:
        """The guest ends by itself; some time later Nova notices, and stops the instance."""
        world, server = self._world, self._server
        if not self._runs_here():
            return
        server.guest.stop()
        self._seen("the guest ends by itself")
        world.count("guest ends by itself")
        world.schedule.sleep(self._operation.takes)
        stop = Operation(self._operation.at, self._operation.server, "stop", 0.0)
        Work(world, server, stop).begin()

    def _at_once_reset(self) -> None:
        """The guest restarts itself: the same domain, and all of the memory at first."""
        if self._runs_here() and self._server.guest.power is Power.RUNNING:
            self._server.resets_itself()
            self._world.count("guest restarts itself")
            self._seen("the guest restarts itself")

    def _at_once_error(self) -> None:
        """Some operation has failed, and left the guest alone; later somebody sets it right."""
        world, server = self._world, self._server
        record = server.record
        if not self._runs_here() or record.task_state is not None or record.vm_state != "active":
            return
        record.vm_state = "error"
        world.count("vm_state ERROR, its guest runs")
        self._seen("an operation has failed")
        world.schedule.sleep(self._operation.takes)
        if record.vm_state == "error" and record.task_state is None:
            record.vm_state = "active"
            self._seen("an administrator resets its state")

    def _at_once_volume(self) -> None:
        self._world.compute.deliver(str(self), self._has_the_lock)

    def _has_the_lock(self) -> None:
        world, server = self._world, self._server
        if not server.record.on_this_host or server.record.deleted:
            return
        with world.compute.lock(server).of_a_user():
            world.count("user: volume")
            self._seen("has the lock")
            self._takes()
            self._hop()
        self._seen("done")

    def _runs_here(self) -> bool:
        server = self._server
        return server.guest.active and server.record.on_this_host and not server.record.deleted
