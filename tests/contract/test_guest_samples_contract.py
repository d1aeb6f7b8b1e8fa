# SPDX-License-Identifier: Apache-2.0
"""The contract of what one call tells of the use of all guests, for automatic growth."""

from __future__ import annotations

import pytest

from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour
from tests.contract.rigs import BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB, Guest, Hypervisor

needs = pytest.mark.needs
DESIRED = Size(3, 700)
# Reports come once a second in these domains (rigs.TEMPLATE), and QEMU may be late.
REPORTED = 4.0


def sample(hypervisor: Hypervisor, guest: Guest) -> GuestSample:
    return hypervisor.samples({guest.uuid: DESIRED})[guest.uuid]


def reported(hypervisor: Hypervisor, guest: Guest, waits: float = 20) -> GuestSample:
    """The next sample with memory figures."""
    while (one := sample(hypervisor, guest)).usable_mb is None:
        assert waits > 0, f"no figures: {one}"
        hypervisor.wait(0.5)
        waits -= 0.5
    return one


@needs("survey")
def test_sample_has_size_boot_id_and_what_was_asked(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    hypervisor.wait(2)  # QEMU tells of the balloon once a second
    one = sample(hypervisor, guest)
    assert (one.size, one.desired, one.report_period) == (
        Size(BOOT_VCPUS, MEMORY_MB),
        DESIRED,
        1.0,
    )
    assert one.boot_id == guest.domain.read().boot_id
    assert abs(one.at - hypervisor.wall()) < 5


@needs("survey")
def test_sample_has_the_memory_that_the_guest_reports(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    hypervisor.wait(REPORTED)
    one = reported(hypervisor, guest)
    assert one.available_mb is not None
    assert one.usable_mb is not None
    assert one.cache_mb is not None
    assert one.reported_at is not None
    assert 0 < one.usable_mb <= one.available_mb <= MAX_MEMORY_MB
    assert 0 <= one.cache_mb <= one.available_mb
    assert (one.swapped_in_mb, one.swapped_out_mb) == (0, 0)
    assert one.major_faults is not None
    assert abs(one.at - one.reported_at) <= REPORTED
    # Not passed on by libvirt 11.3, whatever the guest sends.
    assert (one.oom_kills, one.stalls) == (None, None)


@needs("survey")
def test_time_of_vcpus_grows_while_the_guest_runs(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    hypervisor.work(guest)
    before = sample(hypervisor, guest)
    hypervisor.wait(2)
    after = sample(hypervisor, guest)
    assert before.cpu_seconds is not None
    assert after.cpu_seconds is not None
    assert before.delay_seconds is not None
    assert after.delay_seconds is not None
    assert 0 < after.cpu_seconds - before.cpu_seconds <= 2 * BOOT_VCPUS * (after.at - before.at)
    assert after.delay_seconds >= before.delay_seconds >= 0


@needs("survey", "time")
def test_time_counts_from_when_each_vcpu_was_plugged(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    hypervisor.work(guest)
    hypervisor.wait(2)
    hypervisor.plug(guest, BOOT_VCPUS + 1)
    hypervisor.wait(2)
    grown = sample(hypervisor, guest)
    hypervisor.plug(guest, BOOT_VCPUS)
    shrunk = sample(hypervisor, guest)
    assert grown.size.vcpus == BOOT_VCPUS + 1
    assert grown.cpu_seconds is not None
    assert shrunk.cpu_seconds is not None
    assert shrunk.size.vcpus == BOOT_VCPUS


@needs("survey")
def test_guests_that_do_not_run_have_no_sample(hypervisor: Hypervisor) -> None:
    off, paused, running = hypervisor.define(), hypervisor.booted(), hypervisor.booted()
    paused.pause()
    found = hypervisor.samples(dict.fromkeys((off.uuid, paused.uuid, running.uuid), DESIRED))
    assert found.keys() == {running.uuid}


@needs("survey")
def test_only_the_guests_asked_for_have_a_sample(hypervisor: Hypervisor) -> None:
    one, other = hypervisor.booted(), hypervisor.booted()
    assert hypervisor.samples({one.uuid: DESIRED}).keys() == {one.uuid}
    assert hypervisor.samples({other.uuid: DESIRED}).keys() == {other.uuid}


@needs("survey")
def test_guest_without_a_driver_has_no_memory_figures(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(Behaviour.NO_BALLOON_DRIVER)
    hypervisor.wait(REPORTED)
    one = sample(hypervisor, guest)
    assert one.size.vcpus == BOOT_VCPUS
    assert one.cpu_seconds is not None
    figures = (one.available_mb, one.usable_mb, one.cache_mb, one.swapped_out_mb, one.reported_at)
    assert figures == (None,) * 5
