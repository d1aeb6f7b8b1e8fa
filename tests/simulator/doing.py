# SPDX-License-Identifier: Apache-2.0
"""What operations of users are made of: time that passes, a guest that ends, one that starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_xloud.libvirt.guest_xml import GuestSize

if TYPE_CHECKING:
    from tests.simulator.history import World
    from tests.simulator.scenario import Operation
    from tests.simulator.server import Server


class Doing:
    """One operation of one user, while it is being done."""

    def __init__(self, world: World, server: Server, operation: Operation) -> None:
        self._world = world
        self._server = server
        self._operation = operation

    def __str__(self) -> str:
        return f"{self._operation.kind} {self._server.name}"

    def _hop(self) -> None:
        self._world.compute.wire.hop()

    def _moment(self) -> None:
        longest = 5 * self._world.scenario.faults.hop
        self._world.schedule.sleep(self._world.rng.uniform(0, longest))

    def _takes(self) -> None:
        self._hop()
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
        """From a definition made anew of the record."""
        self._world.checks.may_start(self._server, self._server.record.desired.persisted)
        self._server.boot()
        self._world.count("guest boots")
        self._seen("the guest starts")

    def _boot_as_defined(self, definition: GuestSize) -> None:
        """From a definition that there is."""
        server = self._server
        self._world.checks.may_start(server, server.in_mib(definition))
        server.boot_as_defined(definition)
        self._world.count("guest boots as it was defined before")
        self._seen("the guest starts as it was defined before")
