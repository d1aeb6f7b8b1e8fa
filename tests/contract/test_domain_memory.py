# SPDX-License-Identifier: Apache-2.0
"""The contract of the Domain port: the balloon, and the statistics that its driver reports."""

from __future__ import annotations

import pytest

from nova_xloud import errors
from nova_xloud.testing import Behaviour
from tests.contract.rigs import BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB, Guest, Hypervisor


def usable_mb(hypervisor: Hypervisor, guest: Guest) -> int:
    """As it is now: the first new statistics may be of a moment before this was asked.

    The most of some: what is just being reported to the host as free (freePageReporting) is not
    free for that moment, up to 128 MiB of it, and on a starved host the moment may last.
    """
    seen: list[int] = []
    for _ in range(4):
        known = guest.domain.read().stats_at or 0
        reading = hypervisor.until(guest, lambda read, known=known: (read.stats_at or 0) > known)
        assert reading.usable_mb is not None
        seen.append(reading.usable_mb)
    return max(seen[1:])


@pytest.mark.needs("time")
def test_a_guest_holds_its_maximum_memory_until_its_driver_is_up(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define()
    guest.start()
    assert guest.domain.read().memory_mb == MAX_MEMORY_MB
    hypervisor.until(guest, lambda read: read.memory_mb == MEMORY_MB)


def test_memory_reaches_its_target_both_ways(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.domain.set_memory(MAX_MEMORY_MB)
    hypervisor.until(guest, lambda read: read.memory_mb == MAX_MEMORY_MB)
    guest.domain.set_memory(300)
    hypervisor.until(guest, lambda read: read.memory_mb == 300)


@pytest.mark.needs("time")
def test_memory_is_not_there_when_the_call_returns(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.domain.set_memory(MAX_MEMORY_MB)
    assert guest.domain.read().memory_mb < MAX_MEMORY_MB
    hypervisor.until(guest, lambda read: read.memory_mb == MAX_MEMORY_MB)
    guest.domain.set_memory(MEMORY_MB)
    assert guest.domain.read().memory_mb > MEMORY_MB


@pytest.mark.needs("guest")
def test_statistics_follow_the_balloon(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    before = usable_mb(hypervisor, guest)
    guest.domain.set_memory(400)
    hypervisor.until(guest, lambda read: read.memory_mb == 400)
    assert before - usable_mb(hypervisor, guest) == pytest.approx(MEMORY_MB - 400, abs=16)


@pytest.mark.needs("guest")
@pytest.mark.parametrize("autodeflate", [False, True])
def test_what_a_guest_calls_its_memory(hypervisor: Hypervisor, autodeflate: bool) -> None:
    """With autodeflate it does not see that it has less."""
    guest = hypervisor.booted(autodeflate=autodeflate)
    assert guest.domain.read().autodeflate is autodeflate
    seen = MAX_MEMORY_MB if autodeflate else MEMORY_MB
    hypervisor.until(guest, lambda read: read.balloon_driver and guest.total_mb() <= seen)
    assert guest.total_mb() > seen - 80  # its kernel keeps some for itself


@pytest.mark.needs("guest", "agent")
def test_a_guest_with_autodeflate_takes_back_what_it_needs(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(agent=True, autodeflate=True)
    guest.use(200)
    hypervisor.wait(3)
    guest.domain.set_memory(150)
    hypervisor.wait(6)
    assert guest.domain.read().memory_mb > 200
    assert guest.domain.read().vcpus_online == BOOT_VCPUS


@pytest.mark.needs("guest", "agent")
def test_a_guest_without_dies_of_it(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(agent=True)
    guest.use(200)
    hypervisor.wait(3)
    guest.domain.set_memory(150)
    hypervisor.until(guest, lambda read: not read.balloon_driver, seconds=30)
    reading = guest.domain.read()
    assert (reading.running, reading.vcpus_online) == (True, None)
    with pytest.raises(errors.AgentUnavailable):
        guest.domain.set_vcpus_online(1)


@pytest.mark.needs("guest", "agent")
def test_a_driver_that_goes_gives_all_memory_back(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(agent=True)
    assert usable_mb(hypervisor, guest) < MEMORY_MB
    guest.lose_driver()
    last = hypervisor.until(guest, lambda read: read.memory_mb == MAX_MEMORY_MB)
    assert last.balloon_driver
    reading = hypervisor.until(guest, lambda read: not read.balloon_driver, seconds=30)
    # Its last words stay, and are of before.
    assert (reading.usable_mb, reading.stats_at) == (last.usable_mb, last.stats_at)
    assert reading.usable_mb < MEMORY_MB


@pytest.mark.parametrize("mib", [0, -1, MAX_MEMORY_MB + 1])
def test_memory_out_of_range(hypervisor: Hypervisor, mib: int) -> None:
    guest = hypervisor.define()
    guest.start()
    with pytest.raises(errors.InvalidSize):
        guest.domain.set_memory(mib)
    assert guest.configured().memory_kib == MEMORY_MB * 1024


@pytest.mark.needs("time")
def test_statistics_come_as_often_as_they_are_asked_for(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.domain.set_statistics_period(3)
    reading = guest.domain.read()
    assert (reading.stats_period, reading.usual_stats_period) == (3, 1)
    # One that was on its way then may come at once.
    times = [reading.stats_at or 0]
    while len(times) < 4:
        last = times[-1]
        new = hypervisor.until(guest, lambda read, last=last: (read.stats_at or 0) > last)
        times.append(new.stats_at or 0)
    # The time of a report is in whole seconds.
    assert times[3] - times[2] >= 2
    guest.domain.set_statistics_period(1)
    assert guest.domain.read().stats_period == 1


@pytest.mark.needs("time")
def test_how_often_it_was_asked_is_over_when_it_stops(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.domain.set_statistics_period(3)
    guest.stop()
    guest.start()
    assert guest.domain.read().stats_period == 1


def test_statistics_period_of_a_stopped_domain_is_refused(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define()
    with pytest.raises(errors.DomainNotRunning):
        guest.domain.set_statistics_period(1)


@pytest.mark.needs("guest")
def test_without_a_balloon_driver_nothing_moves_and_nothing_is_said(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(Behaviour.NO_BALLOON_DRIVER)
    guest.domain.set_memory(768)
    hypervisor.wait(5)
    reading = guest.domain.read()
    # One reading never says that there is no driver: compute/watch.py does, after some.
    assert (reading.memory_mb, reading.balloon_driver) == (MAX_MEMORY_MB, None)
    assert reading.memory_confirmed is False
    assert guest.configured().memory_kib == MEMORY_MB * 1024
