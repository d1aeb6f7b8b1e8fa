# SPDX-License-Identifier: Apache-2.0
"""When a run yields: to another operation, to a paused guest, to who does not answer.

That no less is reserved than the guest has is checked by the rig, after every effect and sleep.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from nova_xloud.compute.converge import REREAD_AFTER
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, Timing
from tests.unit.compute.operations import moved, task_starts
from tests.unit.compute.rig import NOW, SHRINK, Rig


def _suspended(rig: Rig) -> None:
    rig.record.vm_state = "suspended"


@pytest.mark.parametrize(
    ("begin", "why"),
    [
        (task_starts, "another operation goes first"),
        (moved, "another operation goes first"),
        (_suspended, "vm_state is not one in which its size is changed"),
    ],
)
def test_it_stands_back_when_another_operation_comes_between(
    begin: Callable[[Rig], None], why: str
) -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(6, 1024)
    rig.effects.clear()

    def while_it_is_waited_for() -> None:
        if rig.told("set_memory")[-1:] == [1024]:
            begin(rig)

    rig.before["sleep"] = while_it_is_waited_for
    outcome = rig.converge()
    assert not outcome.converged
    assert outcome.deferred is not None
    assert why in outcome.deferred
    assert rig.effects == ["set_definition", "set_vcpus", *SHRINK]
    assert rig.claims.size == Size(6, 2048)
    assert rig.end == ("admitted", "xloud.admitted")


def test_deferral_names_the_task() -> None:
    rig = Rig()
    task_starts(rig)
    assert "rebooting" in str(rig.converge().deferred)


def test_after_the_other_operation_it_goes_on() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(2, 1024)
    rig.once_before("sleep", lambda: task_starts(rig))
    rig.converge()
    rig.record.task_state = None
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(2, 1024)


def test_a_paused_guest_is_told_and_not_waited_for() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    outcome = rig.adjust(memory_mb=1024)
    assert "paused" in str(outcome.deferred)
    assert rig.clock.now() == 0
    assert rig.claims.size == NOW
    assert rig.end == ("deferred", "xloud.deferred")
    assert rig.record.desired.progress.message == outcome.deferred
    rig.guest.resume()
    assert rig.converge().converged
    assert rig.claims.size == Size(4, 1024)


def test_a_paused_guest_is_not_asked_for_vcpus_back_before_it_resumes() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    outcome = rig.adjust(2)
    assert "paused" in str(outcome.deferred)
    assert "set_vcpus" not in rig.effects
    assert rig.record.desired.removal_pending is None
    rig.guest.resume()
    assert rig.converge().converged
    assert rig.claims.size == rig.size == Size(2, 2048)


def test_a_paused_guest_gets_vcpus_at_once() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    rig.adjust(6)
    assert rig.size.vcpus == 6


@pytest.mark.parametrize("effect", ["claim", "record"])
def test_it_stands_back_when_a_task_starts_before_it_has_written(effect: str) -> None:
    rig = Rig()
    rig.admit(2, 1024)
    rig.once_before(effect, lambda: task_starts(rig))
    assert "another operation goes first" in str(rig.converge().deferred)


def test_removal_that_times_out_is_marked_although_a_task_has_started() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    rig.admit(3)
    rig.once_before("set_vcpus", lambda: task_starts(rig))
    assert "another operation goes first" in str(rig.converge().deferred)
    rig.record.task_state = None
    assert rig.guest.unsettled
    assert rig.record.desired.removal_pending == 3


def _hangs(rig: Rig) -> None:
    rig.answers = False

    def never() -> None:
        raise AssertionError("it was locked")

    rig.before["lock"] = never


def test_one_whose_qemu_hangs_is_not_locked_and_nothing_is_written() -> None:
    rig = Rig()
    rig.admit(6, 3072)
    _hangs(rig)
    rig.effects.clear()
    assert "does not answer" in str(rig.converge().deferred)
    assert rig.effects == []
    assert rig.end == ("admitted", "xloud.admitted")


def test_while_placement_hangs_no_instance_is_locked_and_it_goes_on_after() -> None:
    """Else a user's stop or reboot would wait for Placement."""
    rig = Rig()
    rig.admit(6, 3072)
    _hangs(rig)
    rig.answers, rig.placement_answers = True, False
    assert "Placement does not answer" in str(rig.converge().deferred)
    assert rig.end == ("admitted", "xloud.admitted")
    rig.placement_answers = True
    rig.before.clear()
    assert rig.converge().converged


def test_one_whose_qemu_begins_to_hang_while_it_is_waited_for_is_left() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(memory_mb=1024)

    def hangs_half_way() -> None:
        if rig.size.memory_mb < 1500:
            _hangs(rig)

    rig.before["sleep"] = hangs_half_way
    assert "does not answer" in str(rig.converge().deferred)
    assert rig.end == ("admitted", "xloud.admitted")
    assert rig.claims.size == NOW
    rig.answers = True
    rig.before.clear()
    assert rig.converge().converged
    assert rig.claims.size == Size(4, 1024)


def test_run_is_deferred_while_another_operation_holds_the_instance() -> None:
    rig = Rig()
    rig.admit(6, 3072)
    rig.held_for = 200.0
    began = rig.clock.now()
    outcome = rig.converge()
    assert outcome.deferred is not None
    assert "another operation" in outcome.deferred
    assert rig.clock.now() - began < 30
    rig.held_for = 0.0
    assert rig.converge().converged


def _counted(rig: Rig, *names: str) -> dict[str, int]:
    counts = dict.fromkeys(names, 0)

    def count(name: str) -> None:
        counts[name] += 1

    for name in names:
        rig.before[name] = functools.partial(count, name)
    return counts


@pytest.mark.parametrize("slowly", [10.0, 40.0])
def test_while_a_guest_is_waited_for_it_alone_is_asked(slowly: float) -> None:
    rig = Rig(timing=Timing(balloon_rate=slowly))
    rig.admit(memory_mb=4096)
    counts = _counted(rig, "lock", "read", "sleep")
    assert rig.converge().converged
    waited = counts["sleep"]
    assert counts["read"] >= waited > 40
    # Each look under the lock reads record and claim: there is one a step, and one in ten seconds.
    assert counts["lock"] <= 6 + rig.clock.now() / REREAD_AFTER


def test_operation_that_begins_while_a_guest_is_awaited_is_seen_in_seconds() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    rig.admit(memory_mb=4096)
    rig.once_before("sleep", lambda: task_starts(rig))
    assert "another operation goes first" in str(rig.converge().deferred)
    assert rig.clock.now() < REREAD_AFTER + 2
