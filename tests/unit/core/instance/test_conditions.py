# SPDX-License-Identifier: Apache-2.0
"""What people see of an instance: each condition, true and not, and since when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from nova_xloud.core.instance import conditions
from nova_xloud.core.instance.conditions import judge, same, worth_recording
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Condition, Event, Phase, Progress
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from tests.unit.core.states import guest, progresses, state, states

SIZE = Size(4, 2048)
REACHED = Progress(Phase.CONVERGED, "xloud.converged", "", "then")
REFUSED = Progress(Phase.GUEST_REFUSED, "xloud.guest_refused.memory_not_reached", "why", "then")
UNDER_WAY = Progress(Phase.CONVERGING, "xloud.converging", "", "then")


def judged(
    before: InstanceState, progress: Progress | None = None, now: str = "now"
) -> dict[str, Condition]:
    """By type; each is there once, and says something true but for ``Converged``.

    Without ``progress`` the record's own is judged.
    """
    found = judge(before, progress or before.desired.progress, now)
    by_type = {one.type: one for one in found}
    assert len(by_type) == len(found)
    assert all(one.status for one in found if one.type != conditions.CONVERGED)
    assert all(one.reason.startswith("xloud.") and one.since for one in found)
    return by_type


def running(progress: Progress = REACHED, reserved: Size | None = None, **other: Any) -> Any:
    """A running guest of 4 vCPUs and 2048 MiB, as desired, unless ``other`` says otherwise."""
    reading: dict[str, Any] = {"vcpus": 4, "memory_mb": 2048, "balloon_driver": True, **other}
    return state(Desired(SIZE, progress=progress), reserved, guest(**reading))


def test_settled_instance_has_one_condition() -> None:
    assert judge(running(), REACHED, "now") == (
        Condition("Converged", True, "xloud.converged", "", "then"),
    )


@pytest.mark.parametrize("phase", Phase)
def test_converged_is_always_listed_and_true_only_where_it_was_reached(phase: Phase) -> None:
    progress = Progress(phase, "xloud.some_code", "why", "then")
    found = judged(running(progress))["Converged"]
    assert found.status is (phase is Phase.CONVERGED)
    assert (found.reason, found.message, found.since) == ("xloud.some_code", "why", "then")


@pytest.mark.parametrize(("vcpus", "memory_mb"), [(5, 2048), (3, 2048), (4, 2049), (4, 2047)])
def test_what_was_reached_and_is_not_there_any_more_has_drifted(vcpus: int, memory_mb: int) -> None:
    found = judged(running(vcpus=vcpus, memory_mb=memory_mb, reserved=Size(8, 4096)))["Converged"]
    assert (found.status, found.reason, found.since) == (False, "xloud.drifted", "now")
    has, should_have = f"{vcpus} vCPUs, {memory_mb} MiB", "4 vCPUs, 2048 MiB"
    assert found.message == f"QEMU has {has} for the guest, which should have {should_have}"


def test_one_that_is_off_has_not_drifted() -> None:
    off = running(vcpus=8, memory_mb=4096, running=False)
    assert list(judged(off)) == ["Converged"]
    assert judged(replace(off, guest=None))["Converged"].status


@pytest.mark.parametrize("phase", Phase)
def test_guest_refused_is_what_the_phase_says(phase: Phase) -> None:
    found = judged(running(replace(REFUSED, phase=phase))).get("GuestRefused")
    if phase is Phase.GUEST_REFUSED:
        assert found == Condition("GuestRefused", True, REFUSED.code, "why", "then")
    else:
        assert found is None


# What else is true of it, in the order: what it is, its reason, what is in its message.
SEEN = [
    pytest.param(
        running(memory_mb=2049, reserved=Size(4, 2049)),
        ("BalloonNotEffective", "xloud.balloon.holds_more", "2049 MiB and should be 2048"),
        id="it took memory back",
    ),
    pytest.param(
        running(REFUSED, memory_mb=4096, reserved=Size(4, 4096)),
        ("BalloonNotEffective", "xloud.balloon.holds_more", "4096 MiB and should be 2048"),
        id="it did not give memory back",
    ),
    pytest.param(
        running(UNDER_WAY, memory_mb=4096, reserved=Size(4, 4096), balloon_driver=False),
        ("BalloonNotEffective", "xloud.balloon.no_driver", "4096 MiB and should be 2048"),
        id="no driver: known before it has an answer",
    ),
    pytest.param(
        running(REFUSED, memory_mb=3000, reserved=Size(4, 3000), balloon_driver=False),
        ("GuestSilent", "xloud.guest_silent.low_memory", "stopped reporting at 3000 MiB"),
        id="it died while its memory was taken: no driver that is unloaded keeps memory",
    ),
    pytest.param(
        running(
            REFUSED,
            memory_mb=3000,
            reserved=Size(4, 4096),
            balloon_driver=False,
            memory_confirmed=False,
        ),
        ("BalloonNotEffective", "xloud.balloon.not_confirmed", "leaves the guest 3000 MiB"),
        id="its driver takes memory, and has never reported",
    ),
    pytest.param(
        running(paused=True, memory_confirmed=False, reserved=Size(4, 4096)),
        ("BalloonNotEffective", "xloud.balloon.not_confirmed", "having its maximum of 4096 MiB"),
        id="it was paused before its driver could report",
    ),
    pytest.param(
        state(Desired(SIZE, removal_pending=2, progress=REACHED), None, guest(4, 2048)),
        (
            "RemovalUnsettled",
            "xloud.blocked.removal_unsettled",
            "and the guest still has 4",
        ),
        id="a removal has not settled",
    ),
    pytest.param(
        running(vcpus_online=3),
        ("CpusNotOnline", "xloud.cpus_not_online", "3 of 4 CPUs online"),
        id="a CPU is offline",
    ),
    pytest.param(
        running(vcpus=5, vcpus_online=3, reserved=Size(5, 2048)),
        ("CpusNotOnline", "xloud.cpus_not_online", "3 of 4 CPUs online"),
        id="of those that are to go none is missed",
    ),
    pytest.param(
        running(UNDER_WAY, vcpus=2, vcpus_online=1),
        ("CpusNotOnline", "xloud.cpus_not_online", "1 of 2 CPUs online"),
        id="of those that are not there yet none is missed",
    ),
    pytest.param(
        replace(running(memory_mb=4096), booting=True),
        ("Booting", "xloud.booting", "4096 MiB and should be 2048"),
        id="it has just started",
    ),
    pytest.param(
        replace(running(memory_mb=4096, balloon_driver=False), booting=True),
        ("Booting", "xloud.booting", "4096 MiB and should be 2048"),
        id="its driver does not report yet",
    ),
    pytest.param(
        running(UNDER_WAY, vcpus=5),
        (
            "ReservedTooLittle",
            "xloud.reserved_too_little",
            "5 vCPUs, 2048 MiB and only 4 vCPUs",
        ),
        id="vCPUs are not reserved",
    ),
    pytest.param(
        running(UNDER_WAY, memory_mb=2049),
        (
            "ReservedTooLittle",
            "xloud.reserved_too_little",
            "4 vCPUs, 2049 MiB and only 4 vCPUs",
        ),
        id="memory is not reserved",
    ),
    pytest.param(
        replace(running(UNDER_WAY, vcpus=5), booting=True),
        ("ReservedTooLittle", "xloud.reserved_too_little", "holds 5 vCPUs"),
        id="vCPUs are not reserved: booting or not",
    ),
]


@pytest.mark.parametrize(("before", "condition"), SEEN)
def test_each_condition_that_is_seen(
    before: InstanceState, condition: tuple[str, str, str]
) -> None:
    kind, reason, message = condition
    found = judged(before)
    assert set(found) - {"Converged", "GuestRefused"} == {kind}
    assert (found[kind].reason, found[kind].since) == (reason, "now")
    assert message in found[kind].message


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(running(memory_mb=1024), id="less memory than it should have"),
        pytest.param(
            running(UNDER_WAY, memory_mb=4096, reserved=Size(4, 4096)),
            id="memory on its way down",
        ),
        pytest.param(
            running(memory_mb=4096, reserved=Size(4, 4096), paused=True),
            id="a paused guest's balloon does nothing",
        ),
        pytest.param(
            running(balloon_driver=False, max_memory_mb=2048),
            id="no driver, and nothing to give back",
        ),
        pytest.param(running(vcpus_online=4), id="all online"),
        pytest.param(running(vcpus_online=9), id="more online than there are"),
        pytest.param(
            running(vcpus=5, vcpus_online=4, reserved=Size(5, 2048)),
            id="one that is to go is offline already",
        ),
        pytest.param(running(vcpus_online=None), id="no agent"),
        pytest.param(
            replace(running(memory_mb=4096, reserved=SIZE, paused=True), booting=True),
            id="paused while its balloon is on the way",
        ),
        pytest.param(
            state(Desired(SIZE, removal_pending=4, progress=REACHED), None, guest(4, 2048)),
            id="a removal that is seen to be done",
        ),
        pytest.param(
            running(vcpus=8, memory_mb=4096, running=False, vcpus_online=1, reserved=Size(0, 0)),
            id="off",
        ),
        pytest.param(
            state(Desired(SIZE, removal_pending=2, progress=REACHED), Size(0, 0)), id="no domain"
        ),
        pytest.param(
            running(UNDER_WAY, vcpus=2, memory_mb=1024, reserved=Size(2, 1024)),
            id="less reserved than desired, and no less than it holds",
        ),
        pytest.param(
            replace(
                running(UNDER_WAY, vcpus=2, memory_mb=4096, reserved=Size(2, 1024), paused=True),
                booting=True,
            ),
            id="the same while its balloon is on the way",
        ),
    ],
)
def test_nothing_of_it_is_said_where_it_is_not_so(before: InstanceState) -> None:
    assert set(judged(before)) == {"Converged"}


def test_guest_refused_is_judged_by_the_run_that_ends() -> None:
    # As it is when a run ends: the record still says where the run began.
    admitted = REACHED.after(Event.ADMIT, "then")
    before = running(admitted, memory_mb=4096, reserved=Size(4, 4096))
    assert "BalloonNotEffective" not in judged(before, UNDER_WAY)
    assert judged(before, REFUSED)["BalloonNotEffective"].reason == "xloud.balloon.holds_more"


def test_since_is_kept_from_what_was_noted_with_the_same_reason() -> None:
    def after(*known: Condition) -> str:
        before = running(memory_mb=4096, reserved=Size(4, 4096))
        desired = replace(before.desired, recorded_conditions=known)
        return judged(replace(before, desired=desired))["BalloonNotEffective"].since

    holds_more = Condition(
        "BalloonNotEffective", True, "xloud.balloon.holds_more", "other words", "long ago"
    )
    assert after() == "now"
    assert after(holds_more) == "long ago"
    assert after(replace(holds_more, reason="xloud.balloon.no_driver")) == "now"
    assert after(replace(holds_more, type="CpusNotOnline")) == "now"


def test_what_is_written_down_is_what_does_not_pass_by_itself() -> None:
    every = {
        name: Condition(name, True, "xloud.x", "", "then")
        for name in (
            conditions.CONVERGED,
            conditions.GUEST_REFUSED,
            conditions.BALLOON_NOT_EFFECTIVE,
            conditions.REMOVAL_UNSETTLED,
            conditions.CPUS_NOT_ONLINE,
            conditions.BOOTING,
            conditions.RESERVED_TOO_LITTLE,
        )
    }
    assert [one.type for one in worth_recording(tuple(every.values()))] == [
        "BalloonNotEffective",
        "RemovalUnsettled",
        "CpusNotOnline",
        "ReservedTooLittle",
    ]
    documented = conditions.__doc__ or ""
    assert all(f"``{name}``" in documented for name in every)


ONE = Condition("One", True, "xloud.one", "in words", "then")


@pytest.mark.parametrize(
    ("others", "alike"),
    [
        ((ONE,), True),
        ((replace(ONE, message="other words"),), True),
        ((replace(ONE, since="now"),), True),
        ((ONE, ONE), True),
        ((replace(ONE, reason="xloud.two"),), False),
        ((replace(ONE, type="Two"),), False),
        ((ONE, replace(ONE, type="Two")), False),
        ((), False),
    ],
)
def test_two_say_the_same_by_type_and_reason(others: tuple[Condition, ...], alike: bool) -> None:
    assert same((ONE,), others) is alike
    assert same(others, (ONE,)) is alike


@given(states, progresses)
def test_the_alarm_is_true_just_where_the_invariant_does_not_hold(
    before: InstanceState, progress: Progress
) -> None:
    alarm = "ReservedTooLittle" in judged(before, progress)
    assert alarm is not before.invariant_holds
