# SPDX-License-Identifier: Apache-2.0
"""Converged is about a guest that there is: what a server without one is said to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.compute.observe import observe
from nova_xloud.core.instance.conditions import CONVERGED, judge
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.instance.sample import of_pass, of_run
from nova_xloud.core.instance.state import InstanceState, lacks_guest
from nova_xloud.core.size import Size
from tests.unit.compute.rig import Rig

SIZE = Size(4, 2048)
DESIRED = Desired(SIZE, generation=1, progress=Progress(Phase.CONVERGED))


def _converged(state: InstanceState) -> Condition:
    (found,) = (c for c in judge(state, state.desired.progress, "now") if c.type == CONVERGED)
    return found


@pytest.mark.parametrize("vm_state", ["error", "building", "active", "paused", "rescued"])
def test_one_that_should_have_a_guest_and_has_none_is_not_converged(vm_state: str) -> None:
    rig = Rig(running=False)
    rig.record.vm_state = vm_state
    rig.record.desired = DESIRED
    seen = observe(rig.instance).state
    found = _converged(seen)
    assert (found.status, found.reason) == (False, "xloud.no_guest")
    assert vm_state in found.message
    assert CONVERGED not in of_run(seen, "now").conditions


@pytest.mark.parametrize("vm_state", ["error", "building", "active"])
def test_one_whose_domain_has_gone_too(vm_state: str) -> None:
    rig = Rig(running=False)
    rig.guest.undefine()
    rig.record.vm_state = vm_state
    assert _converged(observe(rig.instance).state).reason == "xloud.no_guest"


@pytest.mark.parametrize(
    "vm_state", ["stopped", "suspended", "shelved", "shelved_offloaded", "soft-delete"]
)
def test_one_that_is_off_as_somebody_wanted_has_its_size_when_it_starts(vm_state: str) -> None:
    rig = Rig(running=False)
    rig.record.vm_state = vm_state
    assert _converged(observe(rig.instance).state).status


@pytest.mark.parametrize("vm_state", ["error", "active", "building"])
def test_one_whose_guest_runs_is_as_its_guest_is(vm_state: str) -> None:
    rig = Rig()
    rig.record.vm_state = vm_state
    assert _converged(observe(rig.instance).state).status


def test_while_a_task_runs_its_guest_may_be_on_the_way() -> None:
    assert lacks_guest("active", "reboot_started_hard") == ""
    assert lacks_guest("error", "rebuilding") == "error"


def test_from_the_database_alone_only_what_the_vm_state_says_is_told() -> None:
    assert lacks_guest("active", None, is_known=False) == ""
    assert lacks_guest("error", None, is_known=False) == "error"


@pytest.mark.parametrize(("lacks", "is_there"), [(True, False), (False, True)])
def test_a_pass_says_the_same(lacks: bool, is_there: bool) -> None:
    off = DomainStats(False, 0, 0, None)
    read = of_pass(DESIRED, SIZE, off, booting=False, is_off=False, lacks_guest=lacks)
    assert (CONVERGED in read.conditions) is is_there
    # One that was busy just then is not known to have none.
    busy = of_pass(DESIRED, SIZE, None, booting=False, is_off=False, lacks_guest=lacks)
    assert CONVERGED in busy.conditions
    runs = replace(off, running=True, vcpus=4, memory_mb=2048)
    there = of_pass(DESIRED, SIZE, runs, booting=False, is_off=False, lacks_guest=lacks)
    assert CONVERGED in there.conditions
