# SPDX-License-Identifier: Apache-2.0
"""A host's instances as a pass has them, and the ways in which one of them drifts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.testing import ManualClock
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.inline_worker import InlineWorker
from tests.unit.compute.rig import OPTIONS, Rig


class Floor:
    """One host with its instances.

    :ivar worker: notes what is submitted to it; with ``runs`` it carries that out at once
    """

    def __init__(self, *rigs: Rig, runs: bool = False, grace: float = 0) -> None:
        self.clock = rigs[0].clock if rigs else ManualClock()
        boot_grace = BootGrace(self.clock.now, grace)
        boot_grace.assume_booted({})
        for rig in rigs:
            rig.boot_grace = boot_grace
        self.host_instances = FakeHostInstances([rig.instance for rig in rigs])
        self.worker = InlineWorker(rigs[0] if rigs else Rig(), runs=runs)
        self.reconciler = Reconciler(
            self.host_instances, boot_grace, self.worker, OPTIONS, self.clock.now, sleep=self.rest
        )
        self.rested: list[float] = []
        self.while_resting: list[Callable[[], object]] = []

    def rest(self, seconds: float) -> None:
        """Pass the time that a pass has to wait before it begins, and do what is to happen then."""
        self.rested.append(seconds)
        self.clock.advance(seconds)
        for do in self.while_resting:
            do()

    def run(self) -> int:
        """One pass; the calls before it are forgotten."""
        self.host_instances.calls.clear()
        return self.reconciler.run()

    @property
    def submitted(self) -> list[tuple[str, str | None]]:
        return self.worker.submitted


def settled() -> Rig:
    """Adjusted, and as it should be."""
    rig = Rig()
    rig.adjust(6, 3072)
    return rig


def in_phase(phase: Phase) -> Callable[[Rig], None]:
    """Its last run, or its admission, left it in ``phase``."""

    def change(rig: Rig) -> None:
        progress = Progress(phase, "xloud.whatever")
        rig.record.desired = replace(rig.record.desired, progress=progress)

    return change


def reserved_too_much(rig: Rig) -> None:
    """Placement holds more for it than it should have."""
    rig.claims.size = Size(8, 4096)


def claimed_too_much(rig: Rig) -> None:
    """Placement holds more for it than it should have, and so do its columns."""
    rig.claims.size = rig.record.recorded = Size(8, 4096)


def recorded_too_little(rig: Rig) -> None:
    """Its columns say less than is reserved."""
    rig.record.recorded = Size(1, 512)


def vcpu_missing(rig: Rig) -> None:
    """Somebody has unplugged a vCPU of its guest."""
    rig.guest.set_vcpus(5, live=True, config=False, hotpluggable=True)


def balloon_moved(rig: Rig) -> None:
    """Its balloon has gone to another size."""
    rig.guest.set_memory(2000 * 1024, live=True, config=False)
    rig.clock.advance(30)
