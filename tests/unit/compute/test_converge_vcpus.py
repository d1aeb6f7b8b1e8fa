# SPDX-License-Identifier: Apache-2.0
"""vCPUs on their way: plugged, brought online, removed, and what a guest refuses of it.

That no less is reserved than the guest has is checked by the rig, after every effect and sleep.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainCallFailed, GuestRefused
from nova_xloud.testing import Behaviour, Timing
from nova_xloud.testing.behaviour import Rejected
from tests.unit.compute.idle_driver import idle_driver
from tests.unit.compute.rig import NOW, OPTIONS, Rig


def test_a_vcpu_is_awaited_until_the_guest_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(agent=True, timing=Timing(online_seconds=7))
    monkeypatch.setattr(rig.guest, "set_online", lambda count: None)
    assert rig.adjust(6).converged
    assert rig.guest.online() == 6
    assert rig.clock.now() >= 7
    assert rig.effects.count("set_vcpus_online") == 1


def test_the_agent_brings_online_what_the_guest_does_not() -> None:
    rig = Rig(agent=True, behaviour=Behaviour.NO_ONLINE)
    assert rig.adjust(6).converged
    assert rig.guest.online() == 6
    assert rig.told("set_vcpus_online") == [6]
    assert rig.end == ("converged", "xloud.converged")


def _agent_answers_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(count: int) -> None:
        raise Rejected("VIR_ERR_AGENT_UNRESPONSIVE", "Guest agent is not responding")

    monkeypatch.setattr(rig.guest, "set_online", silent)


def test_a_vcpu_that_does_not_come_is_asked_for_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    monkeypatch.setattr(rig.guest, "set_vcpus", lambda *args, **kwargs: None)
    with pytest.raises(GuestRefused):
        rig.adjust(6)
    assert rig.effects.count("set_vcpus") == 1
    assert rig.claims.size == Size(6, 2048)


def test_a_hypervisor_that_cannot_add_is_not_a_guest_that_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise Rejected("VIR_ERR_SYSTEM_ERROR", "monitor")

    rig = Rig()
    monkeypatch.setattr(rig.guest, "set_vcpus", fails)
    with pytest.raises(DomainCallFailed):
        rig.adjust(6)
    assert rig.claims.size == Size(6, 2048)


def test_a_guest_that_leaves_new_cpus_offline_has_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(agent=True, behaviour=Behaviour.NO_ONLINE)
    _agent_answers_nothing(rig, monkeypatch)
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(6)
    assert "6 vCPUs online (are 4)" in str(refusal.value)
    assert rig.told("set_vcpus_online") == [6]
    assert rig.claims.size == Size(6, 2048)
    assert rig.end == ("guest_refused", "xloud.guest_refused.vcpus_not_online")
    assert rig.recorded_conditions == ["CpusNotOnline"]


def test_removal_that_times_out_is_recorded_as_unsettled_and_claimed() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(2)
    assert "down to 2" in str(refusal.value)
    assert rig.desired == Desired(Size(2, 2048), generation=1, removal_pending=2)
    assert rig.claims.size == rig.record.recorded == NOW
    assert rig.end == ("guest_refused", "xloud.guest_refused.vcpus_not_removed")
    assert rig.recorded_conditions == ["RemovalUnsettled"]


def test_a_removal_that_settles_late_is_released_by_a_later_run() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused):
        rig.adjust(3)
    rig.guest.settle()
    assert rig.converge().converged
    assert rig.claims.size == rig.size == Size(3, 2048)
    assert rig.record.desired.removal_pending is None
    assert (rig.end, rig.recorded_conditions) == (("converged", "xloud.converged"), [])


def test_no_vcpu_is_added_while_a_removal_is_unsettled_whatever_is_desired() -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(6, 2048), removal_pending=2)
    with pytest.raises(GuestRefused, match="are still plugged"):
        rig.converge()
    assert "set_vcpus" not in rig.effects


def test_a_restart_settles_a_removal() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    rig.guest.stop()
    rig.record.vm_state = "stopped"
    assert rig.converge().converged
    assert rig.desired == Desired(Size(2, 2048), generation=1)
    assert (rig.end, rig.recorded_conditions) == (("converged", "xloud.converged"), [])
    assert rig.claims.size == Size(2, 2048)


def test_a_boot_vcpu_stays_and_the_claim_with_it() -> None:
    rig = Rig()
    each = tuple(
        replace(v, hotpluggable=v.hotpluggable and i > 2)
        for i, v in enumerate(rig.guest.config.each)
    )
    rig.guest.stop()
    rig.guest.config = replace(rig.guest.config, each=each)
    rig.guest.start(arrived=True)
    rig.record.desired = Desired(Size(2, 2048))
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.claims.size == rig.size == NOW
    assert rig.record.desired.removal_pending is None


def test_a_guest_that_left_new_cpus_offline_can_be_made_smaller_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(agent=True, behaviour=Behaviour.NO_ONLINE)
    _agent_answers_nothing(rig, monkeypatch)
    with pytest.raises(GuestRefused):
        rig.adjust(6)
    assert rig.adjust(4).converged
    assert rig.size == rig.claims.size == NOW


def test_a_guest_that_rejects_a_removal_has_refused() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert rig.claims.size == NOW
    # Said at once: the number of vCPUs is known, and there is nothing unsettled.
    assert (rig.record.desired.removal_pending, rig.recorded_conditions) == (None, [])
    assert rig.end == ("guest_refused", "xloud.guest_refused.vcpus_not_removed")


OFFLINE = replace(OPTIONS, limits=replace(OPTIONS.limits, offline_vcpus=True))
REMOVAL_FAILS = [Behaviour.REMOVAL_TIMES_OUT, Behaviour.REFUSES]


@pytest.mark.parametrize("behaviour", REMOVAL_FAILS)
def test_vcpus_that_cannot_be_removed_are_taken_offline_and_stay_claimed(
    behaviour: Behaviour,
) -> None:
    rig = Rig(agent=True, behaviour=Behaviour.COOPERATIVE, options=OFFLINE)

    of_the_definition = rig.guest.set_vcpus

    def no_removal(count: int, *, live: bool, config: bool, hotpluggable: bool) -> None:
        if config:
            of_the_definition(count, live=live, config=config, hotpluggable=hotpluggable)
            return
        rig.clock.sleep(5 if behaviour is Behaviour.REMOVAL_TIMES_OUT else 0)
        timeout = behaviour is Behaviour.REMOVAL_TIMES_OUT
        raise Rejected(
            "VIR_ERR_OPERATION_TIMEOUT" if timeout else "VIR_ERR_OPERATION_FAILED", "unplug"
        )

    rig.guest.set_vcpus = no_removal  # type: ignore[method-assign]
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(2)
    assert refusal.value.code == "xloud.guest_refused.vcpus_not_removed"
    assert "2 of the guest's 4 vCPUs are online, all stay claimed" in refusal.value.message
    assert rig.told("set_vcpus_online") == [2]
    assert rig.guest.online() == 2
    # Nothing keeps the guest from using them again.
    assert rig.claims.size == rig.record.recorded == rig.size == NOW


@pytest.mark.parametrize("behaviour", REMOVAL_FAILS)
def test_without_the_option_no_vcpu_is_taken_offline(behaviour: Behaviour) -> None:
    rig = Rig(agent=True, behaviour=behaviour)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert "set_vcpus_online" not in rig.effects
    assert rig.claims.size == NOW


def test_without_an_agent_no_vcpu_is_taken_offline() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=OFFLINE)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert "set_vcpus_online" not in rig.effects


def test_cpus_that_were_taken_offline_come_back_with_the_next_growth() -> None:
    rig = Rig(agent=True, behaviour=Behaviour.REFUSES, options=OFFLINE)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert rig.guest.online() == 2
    assert rig.adjust(4).converged
    assert rig.guest.online() == 4
    assert rig.recorded_conditions == []


def test_what_was_waited_for_before_does_not_use_up_the_time_of_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One MiB is waited for 50 s, and then one CPU for as long.
    rig = idle_driver(50)
    rig.guest.set_online(3)
    bring = rig.guest.set_online
    monkeypatch.setattr(rig.guest, "set_online", lambda count: None)

    def late() -> None:
        if rig.clock.now() > 150:
            bring(4)

    rig.before["sleep"] = late
    assert rig.adjust(4, 2049).converged
    assert rig.told("set_vcpus_online") == [4]


def test_cpu_that_goes_offline_on_its_own_is_brought_back_by_the_next_run() -> None:
    rig = Rig(agent=True)
    rig.guest.set_online(3)
    assert rig.converge().converged
    assert rig.guest.online() == 4
    assert rig.told("set_vcpus_online") == [4]
