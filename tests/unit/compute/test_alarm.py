# SPDX-License-Identifier: Apache-2.0
"""The alarm: a guest holds what is not reserved, and there is no room to reserve it."""

from __future__ import annotations

import logging

import pytest

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused, NoCapacity
from nova_xloud.testing import Behaviour
from tests.unit.compute.rig import NOW, Rig

# No room for what the guest takes on its own.
FULL = Size(4, 3000)
ALL = Size(4, 4096)


def taker() -> Rig:
    """On a host that is nearly full, and its balloon driver has gone: it has all of its memory."""
    rig = Rig(behaviour=Behaviour.NO_BALLOON_DRIVER, capacity=FULL)
    rig.takes_memory = True
    rig.clock.advance(60)
    return rig


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def test_memory_that_is_held_and_cannot_be_reserved_is_an_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = taker()
    seen: list[tuple[list[str], list[str]]] = []
    rig.before["sleep"] = lambda: seen.append((errors(caplog), rig.recorded_conditions))
    with pytest.raises(GuestRefused):
        rig.converge()
    (said,) = errors(caplog)
    for part in (rig.uuid, "holds 4 vCPUs, 4096 MiB", "only 4 vCPUs, 2048 MiB are reserved"):
        assert part in said
    assert "xloud.reserved_too_little" in said
    # At once, and not when the guest has been waited for.
    assert seen[0] == ([said], ["BalloonNotEffective", "ReservedTooLittle"])
    assert rig.end == ("guest_refused", "xloud.guest_refused.no_statistics")
    assert rig.recorded_conditions == ["BalloonNotEffective", "ReservedTooLittle"]


def test_the_alarm_is_noted_before_the_guest_is_waited_for_and_since_then() -> None:
    # It uses all of its memory, and takes it back from its balloon.
    rig = Rig(autodeflate=True, capacity=FULL)
    rig.guest.uses_kib = 4096 * 1024
    rig.takes_memory = True
    rig.clock.advance(60)
    began = rig.date()
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.end == ("guest_refused", "xloud.guest_refused.memory_floor")
    (alarm,) = [
        one for one in rig.record.desired.recorded_conditions if one.type == "ReservedTooLittle"
    ]
    assert alarm.since == began < rig.date()


def test_as_long_as_it_is_so_it_is_said_again_by_each_run_and_since_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = taker()
    after: list[Desired] = []
    for runs in (1, 2):
        with pytest.raises(GuestRefused):
            rig.converge()
        assert len(errors(caplog)) == runs
        after.append(rig.record.desired)
        rig.clock.advance(3600)
    assert after[0] == after[1]


def test_the_alarm_ends_when_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    rig = taker()
    with pytest.raises(GuestRefused):
        rig.converge()
    caplog.clear()
    rig.claims.capacity = Size(100, 100_000)
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.claims.size == rig.record.recorded == Size(4, 4096)
    assert (errors(caplog), rig.recorded_conditions) == ([], ["BalloonNotEffective"])
    rig.takes_memory = False
    rig.check_invariant()


def test_the_alarm_ends_when_the_guest_gives_it_back(caplog: pytest.LogCaptureFixture) -> None:
    rig = taker()
    with pytest.raises(GuestRefused):
        rig.converge()
    rig.guest.behaviour = Behaviour.COOPERATIVE
    assert rig.converge().converged
    assert rig.size == rig.claims.size == NOW
    assert (rig.recorded_conditions, rig.end[0]) == ([], "converged")
    rig.takes_memory = False
    rig.check_invariant()


def test_what_it_should_have_and_has_and_is_not_reserved_is_an_alarm_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Its claim was lost on its way: to another host, say.
    rig = Rig(now=ALL, capacity=FULL)
    rig.record.desired = Desired(ALL, generation=1)
    rig.claims.size = NOW
    rig.takes_memory = rig.defined_by_hand = True
    with pytest.raises(NoCapacity):
        rig.converge()
    assert len(errors(caplog)) == 1
    assert rig.end == ("failed", "xloud.no_capacity")
    assert rig.recorded_conditions == ["ReservedTooLittle"]
    assert rig.size == Size(4, 4096)


def test_a_task_that_begins_when_the_alarm_is_noted_goes_first() -> None:
    rig = taker()
    rig.once_before("record", lambda: setattr(rig.record, "task_state", "rebooting"))
    assert "another operation goes first" in str(rig.converge().deferred)


def test_what_is_only_desired_and_has_no_room_is_no_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(capacity=Size(5, 4096))
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    with pytest.raises(NoCapacity):
        rig.converge()
    assert rig.end == ("failed", "xloud.no_capacity")
    assert (errors(caplog), rig.recorded_conditions) == ([], [])


def test_never_adjusted_instance_gets_a_record_for_a_condition() -> None:
    rig = taker()
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.desired == Desired(NOW)
    assert "ReservedTooLittle" in rig.recorded_conditions
