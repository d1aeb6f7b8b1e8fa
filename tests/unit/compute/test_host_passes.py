# SPDX-License-Identifier: Apache-2.0
"""What a host does by itself: when its service starts, and in its passes."""

from __future__ import annotations

import threading
import time
from typing import Any

from lab.patience import LIMIT
from nova_xloud.compute.host import Host
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.host_rig import Watched, host_of
from tests.unit.compute.rig import OPTIONS, Rig


def _left_behind(rig: Rig) -> None:
    """What a service that was killed after an admission leaves."""
    rig.request_id = "req-1"
    rig.admit(6, 3072)


def _wait(worker: Watched, count: int = 1) -> None:
    for _ in range(1000 * LIMIT):
        if len(worker.futures) >= count:
            return
        time.sleep(0.001)
    raise AssertionError("nothing was submitted")


def test_service_start_finishes_an_adjustment_that_was_left() -> None:
    rig = Rig()
    _left_behind(rig)
    host, worker = host_of(rig)
    host.service_starts()
    _wait(worker)
    assert worker.futures[0].result(LIMIT).converged
    assert rig.size == rig.claims.size == Size(6, 3072)
    assert worker.submitted == ["xloud_adjust"]
    assert [(e.name, e.result) for e in rig.actions.events] == [
        ("compute_xloud_adjust", "Success"),
    ]


def test_the_start_of_the_service_does_not_wait_for_the_pass() -> None:
    rig = Rig()
    _left_behind(rig)
    host, worker = host_of(rig)
    gate = threading.Event()
    taken = rig.record.refresh

    def slow() -> Any:
        assert gate.wait(LIMIT)
        return taken()

    rig.record.refresh = slow  # type: ignore[method-assign]
    host.service_starts()
    assert worker.submitted == []
    gate.set()
    _wait(worker)
    worker.futures[0].result(LIMIT)


def test_what_runs_when_the_service_starts_is_not_booting() -> None:
    rig = Rig(grace=120)
    host, worker = host_of(rig)
    host.service_starts()
    assert not rig.boot_grace.booting(rig.uuid, rig.guest.boot_id)
    worker.close()


def test_a_pass_submits_what_has_drifted() -> None:
    rig = Rig()
    rig.adjust(6, 3072)
    rig.claims.size = Size(8, 4096)
    host, worker = host_of(rig)
    host.reconcile().join(LIMIT)
    assert worker.submitted == [None]
    assert worker.futures[0].result(LIMIT).converged
    assert rig.claims.size == Size(6, 3072)


def test_a_pass_leaves_alone_what_converges() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    worker.hold.clear()
    host.adjust("context", "instance", AdjustRequest(6, None))
    host.reconcile().join(LIMIT)
    assert worker.submitted == ["xloud_adjust"]
    worker.hold.set()
    worker.futures[0].result(LIMIT)


def test_by_itself_a_host_has_a_worker_of_its_own() -> None:
    rig = Rig(running=False)
    rig.record.desired = Desired(
        Size(2, 1024), generation=1, progress=Progress(Phase.ADMITTED, "xloud.admitted")
    )
    host = Host(
        lambda context, instance: rig.instance,
        FakeHostInstances([rig.instance]),
        HostFacts(),
        OPTIONS,
        rig.boot_grace,
    )
    host.reconcile()
    for _ in range(1000 * LIMIT):
        if rig.end == ("converged", "xloud.converged"):
            break
        time.sleep(0.001)
    assert rig.claims.size == Size(2, 1024)
    host.close()
