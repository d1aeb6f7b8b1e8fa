# SPDX-License-Identifier: Apache-2.0
"""What the contract cannot see of the fakes: time, the guest's own CPUs, saving, the lists."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.testing import Behaviour, FakeDomain, FakeGuest, ManualClock, Timing, vcpu_list
from nova_xloud.testing.behaviour import Power, Rejected


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def running(clock: ManualClock, **options: object) -> FakeGuest:
    guest = FakeGuest(FakeGuest.size(8, 2, 1024, 512), clock=clock, **options)  # type: ignore[arg-type]
    guest.start()
    return guest


def set_vcpus(guest: FakeGuest, count: int) -> None:
    guest.set_vcpus(count, live=True, config=False, hotpluggable=False)


def test_the_balloon_moves_at_its_rate(clock: ManualClock) -> None:
    guest = running(clock, timing=Timing(balloon_rate=100))
    assert guest.memory_kib() == 1024 * 1024
    clock.advance(2)
    assert guest.memory_kib() == 824 * 1024
    clock.advance(60)
    assert guest.memory_kib() == 512 * 1024
    guest.set_memory(612 * 1024, live=True, config=False)
    clock.advance(0.5)
    assert guest.memory_kib() == 562 * 1024


def test_the_balloon_waits_for_the_driver(clock: ManualClock) -> None:
    guest = running(clock, timing=Timing(balloon_rate=100, driver_seconds=3))
    clock.advance(2.5)
    assert (guest.memory_kib(), guest.driver_reports()) == (1024 * 1024, False)
    clock.advance(1.5)
    assert (guest.memory_kib(), guest.driver_reports()) == (924 * 1024, True)


def test_an_infinite_rate_is_there_at_the_next_moment(clock: ManualClock) -> None:
    guest = running(clock, timing=Timing(balloon_rate=math.inf))
    assert guest.memory_kib() == 1024 * 1024
    clock.advance(0.001)
    assert guest.memory_kib() == 512 * 1024


def test_a_guest_keeps_what_it_needs(clock: ManualClock) -> None:
    guest = running(clock)
    guest.keeps_kib = 700 * 1024
    clock.advance(60)
    assert guest.memory_kib() == 700 * 1024
    guest.set_memory(900 * 1024, live=True, config=False)
    clock.advance(60)
    assert guest.memory_kib() == 900 * 1024


def test_a_guest_that_begins_to_refuse_stays_where_it_is(clock: ManualClock) -> None:
    guest = running(clock, timing=Timing(balloon_rate=100))
    clock.advance(2)
    guest.behaviour = Behaviour.REFUSES
    clock.advance(60)
    assert guest.memory_kib() == 824 * 1024


def test_statistics_are_collected_once_a_period(clock: ManualClock) -> None:
    guest = running(clock, timing=Timing(balloon_rate=100, driver_seconds=3, stats_seconds=10))
    guest.uses_kib = 100 * 1024
    clock.advance(2)
    assert FakeDomain(guest).read().stats_at is None
    clock.advance(2)
    first = FakeDomain(guest).read()
    # At 3 s, and with the balloon as it was then.
    assert (first.stats_at, first.usable_mb) == (int(clock.wall()) - 1, 924)
    clock.advance(8)
    assert (first.usable_mb, first.stats_at) == (924, FakeDomain(guest).read().stats_at)
    clock.advance(2)
    second = FakeDomain(guest).read()
    assert (second.stats_at, second.usable_mb) == (int(clock.wall()) - 1, 412)
    assert guest.memory_stats()["last_update"] == second.stats_at


def test_usable_is_never_negative(clock: ManualClock) -> None:
    guest = running(clock, autodeflate=True)
    guest.uses_kib = 2048 * 1024
    assert FakeDomain(guest).read().usable_mb == 0


def test_below_what_it_uses_a_guest_dies_and_answers_nobody(clock: ManualClock) -> None:
    guest = running(clock, agent=True)
    guest.uses_kib = 300 * 1024
    guest.set_memory(310 * 1024, live=True, config=False)
    clock.advance(60)
    assert (guest.memory_kib(), guest.oom_kills) == (310 * 1024, 0)
    guest.set_memory(290 * 1024, live=True, config=False)
    clock.advance(60)
    reading = FakeDomain(guest).read()
    assert (guest.oom_kills, reading.running, reading.memory_mb) == (1, True, 300)
    assert (reading.vcpus_online, reading.balloon_driver) == (None, None)
    guest.set_memory(1024 * 1024, live=True, config=False)
    set_vcpus(guest, 3)
    clock.advance(60)
    assert (guest.memory_kib(), guest.online()) == (300 * 1024, 2)
    with pytest.raises(Rejected):
        set_vcpus(guest, 2)
    assert guest.unsettled
    guest.stop()
    guest.start()
    clock.advance(60)
    assert (guest.memory_kib(), guest.oom_kills) == (512 * 1024, 1)


def test_a_guest_that_needs_more_than_it_was_left_dies_too(clock: ManualClock) -> None:
    guest = running(clock)
    clock.advance(60)
    guest.uses_kib = 513 * 1024
    assert guest.oom_kills == 1


def test_with_autodeflate_it_takes_back_what_it_needs(clock: ManualClock) -> None:
    guest = running(clock, autodeflate=True)
    guest.uses_kib = 300 * 1024
    guest.set_memory(200 * 1024, live=True, config=False)
    clock.advance(60)
    assert (guest.memory_kib(), guest.oom_kills) == (300 * 1024, 0)
    guest.uses_kib = 600 * 1024
    assert (guest.memory_kib(), guest.oom_kills) == (600 * 1024, 0)
    assert guest.memory_stats()["available"] == 1024 * 1024


def test_a_guest_that_takes_its_memory_back(clock: ManualClock) -> None:
    timing = Timing(balloon_rate=100, takes_back_seconds=6)
    guest = running(clock, behaviour=Behaviour.TAKES_BACK, timing=timing)
    clock.advance(5.5)
    assert guest.memory_kib() == 512 * 1024
    clock.advance(1.5)
    assert guest.memory_kib() == 612 * 1024
    clock.advance(60)
    assert guest.memory_kib() == 1024 * 1024
    guest.set_memory(512 * 1024, live=True, config=False)
    clock.advance(3)
    assert guest.memory_kib() == 724 * 1024
    clock.advance(60)
    assert (guest.memory_kib(), guest.oom_kills) == (1024 * 1024, 0)


def test_a_driver_that_works_now_and_then(clock: ManualClock) -> None:
    timing = Timing(balloon_rate=100, intermittent_seconds=2, stats_seconds=1)
    guest = running(clock, behaviour=Behaviour.INTERMITTENT, timing=timing)
    clock.advance(3.5)
    assert guest.memory_kib() == 824 * 1024
    before = FakeDomain(guest).read().stats_at
    clock.advance(0.4)
    assert FakeDomain(guest).read().stats_at == before
    clock.advance(1.1)
    assert guest.memory_kib() == 724 * 1024
    assert FakeDomain(guest).read().stats_at == int(clock.wall())


def test_a_driver_that_goes_and_comes_back(clock: ManualClock) -> None:
    guest = running(clock)
    clock.advance(60)
    assert guest.driver_reports()
    guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    clock.advance(5)
    assert (guest.memory_kib(), guest.driver_reports()) == (1024 * 1024, True)
    clock.advance(6)
    assert guest.driver_reports() is False
    guest.behaviour = Behaviour.COOPERATIVE
    clock.advance(5)
    assert (guest.memory_kib(), guest.driver_reports()) == (512 * 1024, True)


def test_the_driver_of_a_paused_guest_is_not_gone(clock: ManualClock) -> None:
    guest = running(clock)
    clock.advance(60)
    guest.memory_stats()
    guest.pause()
    clock.advance(60)
    assert guest.driver_reports()


def test_the_agent_takes_the_lowest_first_but_never_cpu_0(clock: ManualClock) -> None:
    guest = running(clock, agent=True)
    set_vcpus(guest, 4)
    clock.advance(1)
    guest.set_online(2)
    assert guest.online_ids() == [0, 3]
    set_vcpus(guest, 3)
    assert guest.online_ids() == [0]
    guest.set_online(2)
    assert guest.online_ids() == [0, 1]
    for count, constant in ((4, "VIR_ERR_INVALID_ARG"), (0, "VIR_ERR_INVALID_ARG")):
        with pytest.raises(Rejected) as caught:
            guest.set_online(count)
        assert caught.value.constant == constant


def test_the_agent_brings_online_what_the_guest_does_not(clock: ManualClock) -> None:
    guest = running(clock, agent=True, behaviour=Behaviour.NO_ONLINE)
    set_vcpus(guest, 4)
    guest.set_online(3)
    clock.advance(60)
    assert guest.online_ids() == [0, 1, 2]


def test_the_boot_id_is_another_one_after_every_start(clock: ManualClock) -> None:
    guest = running(clock)
    first = FakeDomain(guest).stats()
    assert first.boot_id == FakeDomain(guest).read().boot_id
    guest.stop(save=True)
    assert FakeDomain(guest).stats().boot_id is None
    guest.start()
    assert FakeDomain(guest).stats().boot_id not in (first.boot_id, None)


def test_an_added_cpu_comes_online_later(clock: ManualClock) -> None:
    guest = running(clock, agent=True, timing=Timing(online_seconds=0.5))
    set_vcpus(guest, 4)
    reading = FakeDomain(guest).read()
    assert (reading.vcpus, reading.vcpus_online) == (4, 2)
    clock.advance(0.6)
    assert FakeDomain(guest).read().vcpus_online == 4
    set_vcpus(guest, 3)
    assert FakeDomain(guest).read().vcpus_online == 3


def test_a_guest_that_brings_nothing_online(clock: ManualClock) -> None:
    guest = running(clock, agent=True, behaviour=Behaviour.NO_ONLINE)
    set_vcpus(guest, 4)
    guest.pause()
    guest.resume()
    clock.advance(60)
    reading = FakeDomain(guest).read()
    assert (reading.vcpus, reading.vcpus_online) == (4, 2)


def test_a_cpu_added_while_paused_comes_online_after_resume(clock: ManualClock) -> None:
    guest = running(clock)
    guest.pause()
    set_vcpus(guest, 3)
    clock.advance(60)
    assert guest.online() == 2
    guest.resume()
    clock.advance(1)
    assert guest.online() == 3


def test_a_removal_that_timed_out_is_gone_in_the_guest_only(clock: ManualClock) -> None:
    guest = running(clock, behaviour=Behaviour.REMOVAL_TIMES_OUT)
    set_vcpus(guest, 3)
    clock.advance(1)
    before = clock.now()
    with pytest.raises(Rejected) as caught:
        set_vcpus(guest, 2)
    assert caught.value.constant == "VIR_ERR_OPERATION_TIMEOUT"
    assert clock.now() - before == 5
    assert (guest.live().vcpus, guest.online(), guest.unsettled) == (3, 2, True)


def test_a_removal_that_is_reported_late_settles(clock: ManualClock) -> None:
    guest = running(clock, behaviour=Behaviour.REMOVAL_TIMES_OUT)
    set_vcpus(guest, 3)
    with pytest.raises(Rejected):
        set_vcpus(guest, 2)
    guest.settle()
    assert (guest.live().vcpus, guest.unsettled) == (2, False)
    set_vcpus(guest, 4)
    assert guest.power is Power.RUNNING


def test_a_saved_guest_goes_on_where_it_was(clock: ManualClock) -> None:
    guest = running(clock)
    set_vcpus(guest, 3)
    guest.set_memory(600 * 1024, live=True, config=False)
    clock.advance(60)
    guest.stop(save=True)
    assert guest.live() == guest.config
    guest.start()
    assert (guest.live().vcpus, guest.memory_kib()) == (3, 600 * 1024)
    guest.stop()
    guest.start()
    assert (guest.live().vcpus, guest.memory_kib()) == (2, 1024 * 1024)


def test_without_a_balloon_device(clock: ManualClock) -> None:
    guest = running(clock, balloon_device=False)
    assert guest.memory_stats().keys() == {"rss"}
    with pytest.raises(Rejected) as caught:
        guest.set_memory(600 * 1024, live=True, config=False)
    assert caught.value.constant == "VIR_ERR_OPERATION_INVALID"


@given(st.integers(1, 40), st.data())
def test_vcpu_lists(maximum: int, data: st.DataObject) -> None:
    boot = data.draw(st.integers(1, maximum))
    wanted = data.draw(st.integers(1, maximum))
    each = vcpu_list.at_boot(maximum, boot, boot)
    more = vcpu_list.changed(each, vcpu_list.to_add(each, wanted), vcpu_list.HOTPLUGGED)
    assert vcpu_list.count(more) == max(boot, wanted)
    ids = vcpu_list.to_remove(more, boot)
    assert ids == list(range(max(boot, wanted) - 1, boot - 1, -1))
    assert vcpu_list.to_remove(more, boot - 1) is None
    configured = vcpu_list.configured(each, wanted, hotpluggable=True)
    assert vcpu_list.count(configured) == wanted
    assert not configured[0].hotpluggable


def test_the_package_imports_neither_nova_nor_libvirt() -> None:
    code = (
        "import sys, nova_xloud.testing; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'nova', 'libvirt'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_name_that_is_not_there() -> None:
    import nova_xloud.testing

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        nova_xloud.testing.Nothing  # noqa: B018
