# SPDX-License-Identifier: Apache-2.0
"""A worker that does what it is given at once, in the rig's time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.converge import converge
from nova_xloud.compute.ports import Instance
from nova_xloud.errors import XloudError
from tests.unit.compute.rig import Rig


class InlineWorker:
    """The worker, as a pass needs it, in the test's own thread and the rig's time.

    :ivar submitted: UUID and action of each
    :ivar busy: UUIDs of the instances that have a run
    :ivar then: what is to be called when the run of an instance has ended, by UUID
    """

    def __init__(self, rig: Rig, *, runs: bool = True) -> None:
        self._rig = rig
        self._runs = runs
        self.submitted: list[tuple[str, str | None]] = []
        self.busy: set[str] = set()
        self.then: dict[str, Callable[[], object]] = {}

    def is_busy(self, uuid: str) -> bool:
        return uuid in self.busy

    def on_idle(self, uuid: str, then: Callable[[], object]) -> bool:
        if uuid in self.busy:
            self.then[uuid] = then
        return uuid in self.busy

    def submit(
        self,
        instance: Instance,
        action: str | None = None,
        urgency: Urgency = Urgency.ASKED,
        *,
        shrinks: bool = False,
    ) -> None:
        self.submitted.append((instance.uuid, action))
        if self._runs:
            with contextlib.suppress(XloudError):
                rig = self._rig
                rig.carry_out(converge(instance, rig.options, rig.engine_clock))
