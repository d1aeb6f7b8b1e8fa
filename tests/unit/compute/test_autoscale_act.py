# SPDX-License-Identifier: Apache-2.0
"""A request of automatic growth: one instance action a day, and what survives a killed process."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from nova_xloud.compute.autoscaling.act import request_id_of, why_not
from nova_xloud.compute.converge import converge
from nova_xloud.core.autoscaling.mode import Scaling
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.size import Size
from tests.unit.compute.autoscale_rig import ScaledHost
from tests.unit.compute.rig import Killed, Rig

DAY = 86400.0


def test_all_requests_of_a_day_have_one_id_in_novas_form() -> None:
    first = request_id_of("a", 20000 * DAY)
    assert first == request_id_of("a", 20000 * DAY + 86399)
    assert first != request_id_of("a", 20001 * DAY)
    assert first != request_id_of("b", 20000 * DAY)
    assert len(first) == len("req-4c9b5e1a-0d2f-4a63-8e77-1f0a9b3c5d21")


def test_changes_of_a_day_are_one_instance_action() -> None:
    host = ScaledHost()
    host.round(20)
    host.rigs["a"].guest.work(8)
    host.until(lambda: host.desired.vcpus == 8)
    assert len(host.runs.submitted) >= 2
    assert host.rigs["a"].actions.started == ["xloud_adjust"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),
        ({"scaling": Scaling(Mode.OFF)}, "off"),
        ({"scaling": Scaling(Mode.OBSERVE)}, "observe"),
        ({"locked": True}, "hold.locked"),
        ({"task_state": "resize_prep"}, "hold.busy"),
        ({"vm_state": "stopped"}, "hold.busy"),
        ({"on_this_host": False}, "hold.busy"),
    ],
)
def test_only_a_free_active_server_whose_mode_is_on_is_changed(
    changed: dict[str, object], why: str
) -> None:
    host = ScaledHost()
    view = host.rigs["a"].record.refresh()
    assert why_not(replace(view, **changed)) == why  # type: ignore[arg-type]


def _grown_until_killed(at: int) -> ScaledHost:
    host = ScaledHost()
    host.round(20)
    rig = host.rigs["a"]
    rig.guest.work(8)
    rig.points, rig.kill_at = 0, at
    with contextlib.suppress(Killed):
        host.until(lambda: host.desired.vcpus == 8, rounds=20)
    return host


@pytest.mark.parametrize("at", range(24))
def test_nothing_is_lost_whenever_nova_compute_is_killed(at: int) -> None:
    """Each point is before or after an effect; the rig sees that enough is reserved at each."""
    host = _grown_until_killed(at)
    rig = host.rigs["a"]
    was_killed = rig.points > at
    rig.kill_at = None
    rig.locked = False
    asked = rig.record.desired.target
    host.start()
    _pass(rig)
    assert rig.size == rig.record.desired.target == asked
    assert rig.claims.size == asked
    host.until(lambda: host.desired == Size(8, asked.memory_mb) and rig.size.vcpus == 8)
    assert was_killed or at > 12


def _pass(rig: Rig) -> None:
    """What the first pass of the next nova-compute has done: a run to what is desired."""
    rig.carry_out(converge(rig.instance, rig.options, rig.engine_clock))
