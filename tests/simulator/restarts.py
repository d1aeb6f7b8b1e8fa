# SPDX-License-Identifier: Apache-2.0
"""Operations that end the guest and start one: from the record, or as it was defined before."""

from __future__ import annotations

from tests.simulator.doing import Doing

# How long Nova waits for a guest that is asked to shut down, before it reboots it hard.
WAITS_FOR_SHUTDOWN = 20.0


class Restarts(Doing):
    """Reboot, rescue and rebuild."""

    def _reboot(self) -> None:
        self._hop()
        self._off()
        self._hop()
        self._boot()
        self._hop()
        self._done("active")

    def _soft_reboot(self) -> None:
        """Shut down by the guest, then started as it is defined; one that does not is made anew."""
        self._hop()
        if self._operation.how == "refuses":
            self._world.schedule.sleep(WAITS_FOR_SHUTDOWN)
            self._off()
            self._hop()
            self._boot()
        else:
            self._world.schedule.sleep(min(self._operation.takes, WAITS_FOR_SHUTDOWN))
            self._off()
            self._moment()
            self._boot_as_defined(self._server.guest.config)
        self._hop()
        self._done("active")

    def _rescue(self) -> None:
        """The definition that there is goes to a file; the rescue's is made of the record."""
        server = self._server
        self._takes()
        self._off()
        self._moment()
        if server.unrescue is None:
            server.unrescue = server.guest.config
        self._boot()
        self._hop()
        self._done("rescued")

    def _unrescue(self) -> None:
        """The file is all that is left of the guest's own definition."""
        server = self._server
        self._hop()
        definition = None if server.unrescue is None else server.unrescued()
        self._off()
        self._moment()
        if definition is not None:
            self._boot_as_defined(definition)
            server.unrescue = None
        self._hop()
        self._done("active")

    def _rebuild(self) -> None:
        """Of the image that it had; a stopped one is stopped again."""
        server = self._server
        was_on = server.record.vm_state != "stopped"
        self._takes()
        self._off()
        server.guest.undefine()
        self._moment()
        server.record.task_state = "rebuild_spawning"
        self._boot()
        self._hop()
        if not was_on:
            self._off()
        self._done("active" if was_on else "stopped")
