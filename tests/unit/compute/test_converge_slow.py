# SPDX-License-Identifier: Apache-2.0
"""Not yet is not never: vCPUs that come late, domains and agents that another call holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.compute.converge import converge
from nova_xloud.core.size import Size
from nova_xloud.errors import Blocked, GuestRefused
from nova_xloud.testing import Behaviour, FakeDomain, Timing
from nova_xloud.testing.behaviour import Rejected
from tests.unit.compute.rig import MAXIMUM, NOW, OPTIONS, Rig


def late(seconds: float, **options: object) -> Rig:
    return Rig(timing=Timing(removal_seconds=seconds), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [3, 5.5, 8, 59])
def test_a_vcpu_that_comes_within_our_time_is_no_refusal(seconds: float) -> None:
    rig = late(seconds)
    assert rig.adjust(3).converged
    assert rig.size == rig.claims.size == rig.record.recorded == Size(3, 2048)
    assert rig.told("set_vcpus") == [3]
    assert (rig.end[0], rig.recorded_conditions) == ("converged", [])


def test_what_comes_late_is_asked_for_one_after_the_other_and_never_twice() -> None:
    """libvirt unplugs one by one and gives up at the first that is late."""
    rig = late(20)
    rig.guest.set_vcpus(7, live=True, config=False, hotpluggable=True)
    rig.claims.size = Size(7, 2048)
    assert rig.adjust(3).converged
    # The fake says "already in the process of unplug" to a second ask for the same.
    assert rig.told("set_vcpus") == [3] * 4
    assert rig.claims.written == [Size(3, 2048)]


def test_late_removal_releases_and_records_nothing_while_it_is_awaited() -> None:
    rig, seen = late(20), []
    rig.before["sleep"] = lambda: seen.append((rig.claims.size, rig.recorded_conditions))
    assert rig.adjust(3).converged
    assert set(map(str, seen)) == {str((NOW, []))}


def test_removal_that_does_not_end_in_time_is_refused_and_unsettled() -> None:
    rig = late(1000)
    began = rig.clock.now()
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(3)
    assert rig.clock.now() - began >= OPTIONS.step_timeout
    assert refusal.value.code == "xloud.guest_refused.vcpus_not_removed"
    assert "waited 60 s" in refusal.value.message
    assert (rig.size, rig.claims.size, rig.recorded_conditions) == (NOW, NOW, ["RemovalUnsettled"])
    with pytest.raises(Blocked):
        rig.admit(6)
    # QEMU has been asked already and says so; when it comes all the same, it counts.
    with pytest.raises(GuestRefused):
        rig.converge()
    rig.clock.advance(1000)
    assert rig.converge().converged
    assert (rig.claims.size, rig.recorded_conditions) == (Size(3, 2048), [])


def test_what_came_of_several_is_given_back_when_the_rest_does_not_come() -> None:
    rig = late(8)
    rig.admit(2)

    def refuses() -> None:
        if rig.size.vcpus == 3:
            rig.guest.behaviour = Behaviour.REFUSES

    rig.before["set_vcpus"] = refuses
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.size == rig.claims.size == Size(3, 2048)
    # It was rejected at once, and nothing is pending.
    assert rig.recorded_conditions == []


def test_memory_goes_down_though_vcpus_do_not() -> None:
    rig = late(1000)
    with pytest.raises(GuestRefused):
        rig.adjust(3, 1536)
    assert rig.size == rig.claims.size == Size(4, 1536)


def test_a_step_timeout_below_libvirts_own_ends_it_sooner() -> None:
    rig = late(8, options=replace(OPTIONS, step_timeout=2))
    with pytest.raises(GuestRefused, match="waited 2 s"):
        rig.adjust(3)


def held(rig: Rig, effect: str) -> None:
    def busy() -> None:
        rig.guest.busy = True

    rig.before[effect] = busy


@pytest.mark.parametrize(
    ("effect", "asked"),
    [("set_vcpus", (3, None)), ("set_vcpus", (6, None)), ("set_memory", (None, 3072)),
     ("set_memory", (None, 1536)), ("sleep", (None, 1536))],
)  # fmt: skip
def test_a_domain_that_another_call_holds_is_tried_later(
    effect: str, asked: tuple[int | None, int | None]
) -> None:
    rig = Rig()
    rig.admit(*asked)
    held(rig, effect)
    outcome = rig.converge()
    assert outcome.deferred is not None
    assert "state change lock" in outcome.deferred
    assert rig.recorded_conditions == []
    rig.guest.busy = False
    assert rig.visible_conditions() == []
    del rig.before[effect]
    assert rig.converge().converged
    assert (rig.end[0], rig.recorded_conditions) == ("converged", [])
    assert rig.record.desired.removal_pending is None


def test_an_agent_that_is_held_by_another_call_is_no_failure() -> None:
    rig = Rig(agent=True, behaviour=Behaviour.NO_ONLINE)
    rig.admit(6)
    rig.guest.agent_says = Rejected(
        "VIR_ERR_OPERATION_TIMEOUT", "cannot acquire state change lock (held by agent=x)"
    )
    assert rig.converge().converged


@pytest.mark.parametrize(
    "says",
    [
        Rejected("VIR_ERR_INTERNAL_ERROR", "unable to execute QEMU agent command: disabled"),
        Rejected("VIR_ERR_AGENT_UNRESPONSIVE", "Guest agent is not responding"),
    ],
)
@pytest.mark.parametrize("behaviour", [Behaviour.COOPERATIVE, Behaviour.NO_ONLINE])
def test_an_agent_that_answers_with_an_error_is_none(says: Rejected, behaviour: Behaviour) -> None:
    rig = Rig(agent=True, behaviour=behaviour)
    rig.guest.agent_says = says
    assert rig.adjust(6, 3072).converged
    assert rig.adjust(3, 1536).converged
    assert rig.told("set_vcpus_online") == []
    assert (rig.size, rig.recorded_conditions) == (Size(3, 1536), [])


def test_an_agent_is_asked_of_elastic_servers_only() -> None:
    asked: list[bool] = []
    rig = Rig(agent=True)
    rig.record.facts = replace(rig.record.facts, extra_specs={})
    rig.record.desired = replace(rig.record.desired, persisted=MAXIMUM)

    class Counting(FakeDomain):
        def read(self, *, agent: bool = True):  # type: ignore[no-untyped-def]
            asked.append(agent)
            return super().read(agent=agent)

    from nova_xloud.compute.observe import observe

    instance = replace(rig.instance, domain=lambda: Counting(rig.guest))
    observe(instance)
    rig.record.desired = replace(rig.record.desired, generation=1)
    observe(instance)
    rig.record.desired = replace(rig.record.desired, generation=0)
    rig.record.facts = replace(rig.record.facts, extra_specs={"minimum_cpu": "1"})
    observe(instance)
    assert asked == [False, True, True]


@pytest.mark.parametrize("late", ["answers", "placement_answers", "held_for"])
def test_before_an_unplug_it_stays_with_those_that_may_wait(late: str) -> None:
    rig = Rig()
    rig.admit(vcpus=2)
    run = converge(rig.instance, rig.options, rig.engine_clock)
    pause = next(run)
    assert pause.may_wait
    # Now something comes late.
    setattr(rig, late, 1.0 if late == "held_for" else False)
    pause = run.send(None)
    assert pause.seconds
    assert pause.may_wait
