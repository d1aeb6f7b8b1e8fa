# SPDX-License-Identifier: Apache-2.0
"""Not yet is not never: guests that are late, silent, or held by another call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nova_xloud.compute.converge import converge
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.instance.conditions import judge
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from nova_xloud.errors import Blocked, GuestRefused
from nova_xloud.testing import Behaviour, FakeDomain, Timing
from nova_xloud.testing.behaviour import Rejected
from tests.unit.compute.rig import MAXIMUM, NOW, OPTIONS, Rig

STEPS = replace(OPTIONS, limits=Limits(step_mb=300, reserve_mb=64))


def late(seconds: float, **options: object) -> Rig:
    return Rig(timing=Timing(removal_seconds=seconds), **options)  # type: ignore[arg-type]


def types(rig: Rig) -> list[str]:
    """The conditions that people see now, but ``Converged``."""
    guest = FakeDomain(rig.guest).read()
    seen = InstanceState(
        rig.record.desired,
        rig.claims.size,
        rig.watch.judged(rig.uuid, guest),
        booting=rig.boot_grace.is_booting(rig.uuid, guest),
    )
    found = judge(seen, rig.record.desired.progress, rig.date())
    return [one.type for one in found if one.status and one.type != "Converged"]


def reasons(rig: Rig) -> list[str]:
    return [one.reason for one in rig.record.desired.recorded_conditions]


# --- vCPUs that come late ----------------------------------------------------------------------


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


def test_a_vcpu_that_does_not_come_in_our_time_is_refused_and_unsettled_then() -> None:
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


# --- a domain that another call holds ----------------------------------------------------------


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
    assert types(rig) == []
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


# --- agents that answer with an error ----------------------------------------------------------


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


# --- statistics that come late, or never --------------------------------------------------------


PERIOD = Timing(stats_seconds=10, balloon_rate=1e9)


def resumed(rig: Rig) -> None:
    rig.guest.pause()
    rig.clock.advance(120)
    rig.guest.resume()


def stepped(seconds: float) -> Callable[[Rig], None]:
    return lambda rig: rig.clock.step(seconds)


def forgotten(rig: Rig) -> None:
    rig.watch.changed(rig.uuid)
    rig.clock.advance(7)


@pytest.mark.parametrize(
    "change",
    [resumed, stepped(3600), stepped(-3600), forgotten],
    ids=["unpaused after two minutes", "clock forward", "clock back", "service restarted"],
)
def test_statistics_that_are_on_their_way_are_waited_for(change: Callable[[Rig], None]) -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.clock.advance(31)
    change(rig)
    assert rig.adjust(memory_mb=1100).converged
    assert (rig.size.memory_mb, rig.recorded_conditions) == (1100, [])


def test_a_clock_that_steps_back_in_the_middle_of_a_run() -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.admit(memory_mb=1100)
    rig.once_before("set_memory", lambda: rig.clock.step(-3600))
    assert rig.converge().converged


def test_a_driver_that_says_nothing_is_waited_for_so_long_and_refused_then() -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.takes_memory = True
    rig.clock.advance(60)
    began = rig.clock.now()
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1100)
    assert refusal.value.code == "xloud.guest_refused.no_statistics"
    assert 40 <= rig.clock.now() - began <= 45
    assert reasons(rig) == ["xloud.balloon.no_driver"]
    # The next attempt knows, and keeps no worker for it.
    began = rig.clock.now()
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.clock.now() - began < 1
    # Until it is heard.
    rig.guest.behaviour = Behaviour.COOPERATIVE
    rig.clock.advance(60)
    assert rig.converge().converged


def test_a_driver_that_is_loaded_while_it_is_waited_for() -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.takes_memory = True
    rig.clock.advance(300)
    rig.admit(memory_mb=1100)
    until = rig.clock.now() + 15

    def load() -> None:
        if rig.clock.now() >= until:
            rig.guest.behaviour = Behaviour.COOPERATIVE

    rig.before["sleep"] = load
    assert rig.converge().converged


# --- drivers that work and never report ---------------------------------------------------------


def silent(**options: object) -> Rig:
    rig = Rig(behaviour=Behaviour.SILENT_DRIVER, options=STEPS, **options)  # type: ignore[arg-type]
    # Nobody can tell what it has, so all is claimed.
    rig.claims.size = rig.record.recorded = Size(NOW.vcpus, MAXIMUM.memory_mb)
    return rig


def test_force_ends_where_it_was_asked_to_by_bounded_steps() -> None:
    rig = silent()
    assert rig.adjust(memory_mb=1100, force=True).converged
    assert rig.told("set_memory") == [1748, 1448, 1148, 1100]
    assert rig.size == Size(4, 1100)
    # What it takes when it resets itself is counted: QEMU would not say it.
    assert rig.claims.size == rig.record.recorded == Size(4, MAXIMUM.memory_mb)
    rig.clock.advance(1)
    rig.guest.reset()
    rig.clock.advance(20)
    rig.converge()
    assert (rig.end[0], reasons(rig)) == ("converged", ["xloud.balloon.not_confirmed"])
    assert types(rig) == ["BalloonNotEffective"]


def test_without_force_it_is_not_pushed() -> None:
    rig = silent()
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1100)
    assert refusal.value.code == "xloud.guest_refused.no_statistics"
    assert rig.size == NOW


def test_it_grows_and_what_is_known_is_said() -> None:
    rig = silent()
    assert rig.adjust(memory_mb=3072).converged
    assert rig.size == Size(4, 3072)
    assert rig.claims.size == Size(4, MAXIMUM.memory_mb)
    rig.clock.advance(20)
    rig.converge()
    assert reasons(rig) == ["xloud.balloon.not_confirmed"]


def test_when_it_reports_at_last_the_rest_is_released() -> None:
    rig = silent()
    assert rig.adjust(memory_mb=1100, force=True).converged
    rig.guest.behaviour = Behaviour.COOPERATIVE
    rig.clock.advance(5)
    assert rig.converge().converged
    assert (rig.claims.size, rig.recorded_conditions) == (Size(4, 1100), [])


def test_a_guest_whose_statistics_cannot_be_read_goes_on() -> None:
    rig = Rig(options=STEPS)
    rig.guest.statistics_fail = True
    rig.takes_memory = True
    assert rig.adjust(6, 3072).converged
    assert rig.size == Size(6, 3072)
    assert rig.claims.size == Size(6, MAXIMUM.memory_mb)
    rig.guest.statistics_fail = False
    assert rig.converge().converged
    assert rig.claims.size == Size(6, 3072)


# --- guests that restart themselves, die, or crash -----------------------------------------------


BOOTS = Timing(driver_seconds=20, balloon_rate=1e9, stats_seconds=10)


def test_a_guest_that_resets_itself_has_a_grace_of_its_own() -> None:
    rig = Rig(timing=BOOTS, grace=120)
    rig.clock.advance(300)
    rig.converge()
    rig.guest.reset()
    rig.clock.advance(1)
    # QEMU says what it had before, and it has everything.
    seen = FakeDomain(rig.guest).read()
    assert (seen.memory_mb, seen.held.memory_mb) == (NOW.memory_mb, MAXIMUM.memory_mb)
    assert rig.converge().converged
    assert (rig.claims.size, rig.recorded_conditions) == (NOW, [])
    assert types(rig) == ["Booting"]
    rig.clock.advance(60)
    assert types(rig) == []
    assert rig.claims.size == NOW


def test_guest_reset_into_a_driverless_system_is_claimed_after_the_grace() -> None:
    rig = Rig(timing=BOOTS, grace=120)
    rig.clock.advance(300)
    rig.converge()
    rig.guest.reset()
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.clock.advance(1)
    rig.converge()
    assert rig.claims.size == NOW
    rig.clock.advance(120)
    rig.takes_memory = True
    rig.converge()
    assert rig.claims.size == Size(NOW.vcpus, MAXIMUM.memory_mb)


def watched(rig: Rig, seconds: float) -> None:
    """Somebody reads it each 5 s for so long."""
    until = rig.clock.now() + seconds
    while rig.clock.now() < until:
        rig.clock.advance(5)
        types(rig)


def test_a_guest_that_died_at_its_boot_size_says_so() -> None:
    rig = Rig(timing=replace(BOOTS, driver_seconds=3), grace=120, running=False)
    rig.boot()
    rig.clock.advance(5)
    # Its kernel panics when the balloon has taken what it was told to.
    assert rig.size == NOW
    rig.guest.memory.dead = True
    watched(rig, 100)
    assert types(rig) == []
    watched(rig, 100)
    assert types(rig) == ["GuestSilent"]
    assert rig.converge().converged
    assert reasons(rig) == ["xloud.guest_silent.low_memory"]
    (said,) = rig.record.desired.recorded_conditions
    for part in (f"{NOW.memory_mb} MiB", "console", "hard reboot it", "minimum"):
        assert part in said.message
    # It can be made larger all the same: claimed, desired, and there with the hard reboot.
    rig.admit(memory_mb=3072)
    assert rig.claims.size == Size(4, 3072)
    with pytest.raises(GuestRefused):
        rig.converge()
    rig.guest.stop()
    rig.boot()
    rig.clock.advance(5)
    assert rig.converge().converged
    assert (rig.size.memory_mb, rig.recorded_conditions) == (3072, [])


def test_a_guest_that_crashed_says_so_and_is_waited_for_by_nobody() -> None:
    rig = Rig()
    rig.guest.crash()
    assert types(rig) == ["GuestSilent"]
    rig.admit(memory_mb=3072)
    assert rig.converge().deferred
    assert reasons(rig) == ["xloud.guest_silent.crashed"]
    rig.guest.stop()
    rig.boot()
    rig.clock.advance(10)
    assert rig.converge().converged
    assert rig.recorded_conditions == []


@pytest.mark.parametrize("behaviour", [Behaviour.SILENT_DRIVER, Behaviour.COOPERATIVE])
def test_a_guest_that_lives_is_not_said_to_have_died(behaviour: Behaviour) -> None:
    rig = Rig(timing=replace(BOOTS, driver_seconds=3), grace=120, running=False)
    rig.boot()
    rig.guest.behaviour = behaviour
    watched(rig, 400)
    assert "GuestSilent" not in types(rig)


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
