# SPDX-License-Identifier: Apache-2.0
"""A pass and guests that boot: their balloon has its time."""

from __future__ import annotations

from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.size import Size
from nova_xloud.testing import Timing
from tests.unit.compute.floor import Floor, in_phase, settled
from tests.unit.compute.rig import OPTIONS, Rig

GRACE = 120.0


def booted(driver_seconds: float = 5.0) -> Rig:
    """A guest that has just started with all memory, of which its balloon has to take some back."""
    rig = Rig(running=False, timing=Timing(driver_seconds=driver_seconds))
    rig.boot()
    return rig


def test_booting_guest_is_left_alone_until_its_grace_is_over() -> None:
    rig = booted(driver_seconds=1000.0)
    floor = Floor(rig, grace=GRACE)
    assert floor.run() == 0
    rig.clock.advance(GRACE - 1)
    assert floor.run() == 0
    rig.clock.advance(1)
    assert floor.run() == 1


def test_instance_resumed_during_boot_is_resumed_again_after_the_grace() -> None:
    rig = booted(driver_seconds=1000.0)
    # All of it is reserved, so nothing is urgent.
    rig.claims.size = rig.record.recorded = Size(4, 4096)
    in_phase(Phase.DEFERRED)(rig)
    floor = Floor(rig, grace=GRACE)
    at = []
    for _ in range(13):
        if floor.run():
            at.append(rig.clock.now())
        rig.clock.advance(10)
    # By the pauses alone: not before 180.
    assert at == [0, OPTIONS.retry_interval, GRACE]


def test_guest_whose_balloon_arrives_within_the_grace_has_no_run() -> None:
    rig = booted()
    floor = Floor(rig, grace=GRACE)
    for _ in range(10):
        assert floor.run() == 0
        rig.clock.advance(60)
    rig.check_invariant()


def test_what_runs_when_the_service_starts_has_had_its_time() -> None:
    rig = booted(driver_seconds=1000.0)
    floor = Floor(rig, grace=GRACE)
    floor.reconciler.service_starts()
    assert floor.run() == 1


def test_one_that_libvirt_left_out_for_once_has_not_started_anew() -> None:
    rig = settled()
    floor = Floor(rig, grace=GRACE)
    floor.reconciler.service_starts()
    assert floor.run() == 0
    floor.host_instances.left_out.add(rig.uuid)
    floor.run()
    floor.host_instances.left_out.clear()
    # It takes memory on its own.
    rig.takes_memory = True
    rig.guest.set_memory(4096 * 1024, live=True, config=False)
    rig.clock.advance(60)
    assert floor.run() == 1
    assert not rig.boot_grace.booting(rig.uuid, rig.guest.boot_id)
