# SPDX-License-Identifier: Apache-2.0
"""The contract of the Domain port, on the fakes and on what they stand for."""

from __future__ import annotations

import dataclasses

import pytest

from nova_xloud import errors
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour
from tests.contract.rigs import BOOT_VCPUS, MAX_MEMORY_MB, MAX_VCPUS, MEMORY_MB, Hypervisor


def test_read_of_a_booted_guest(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    reading = hypervisor.until(guest, lambda read: read.balloon_driver)
    assert reading.boot_id is not None
    assert reading.usable_mb is not None
    assert 0 < reading.usable_mb <= MAX_MEMORY_MB
    assert reading.stats_at == pytest.approx(hypervisor.wall(), abs=5)
    unknown = dataclasses.replace(reading, boot_id=None, usable_mb=None, stats_at=None)
    assert unknown == DomainReading(
        running=True,
        paused=False,
        max_vcpus=MAX_VCPUS,
        vcpus=BOOT_VCPUS,
        removable_vcpus=0,
        max_memory_mb=MAX_MEMORY_MB,
        memory_mb=MEMORY_MB,
        balloon_driver=True,
        vcpus_online=None,
        attached_dimms_mb=0,
        has_virtiomem=False,
        autodeflate=False,
        defined=Size(BOOT_VCPUS, MEMORY_MB),
        pinned=(),
        stats_period=1,
        usual_stats_period=1,
    )


def test_read_of_a_domain_that_is_shut_off(hypervisor: Hypervisor) -> None:
    reading = hypervisor.define().domain.read()
    assert (reading.running, reading.paused, reading.balloon_driver) == (False, False, None)
    assert (reading.vcpus, reading.max_vcpus) == (BOOT_VCPUS, MAX_VCPUS)
    assert (reading.memory_mb, reading.max_memory_mb) == (MEMORY_MB, MAX_MEMORY_MB)
    assert (reading.boot_id, reading.usable_mb, reading.stats_at) == (None, None, None)


def test_the_boot_id_is_another_one_after_every_start(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define()
    guest.start()
    first = guest.domain.read().boot_id
    guest.pause()
    guest.resume()
    assert guest.domain.read().boot_id == first
    guest.stop()
    guest.start()
    assert guest.domain.read().boot_id not in (first, None)


def test_add_then_remove_vcpus(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.domain.set_vcpus(4)
    reading = guest.domain.read()
    assert (reading.vcpus, reading.removable_vcpus) == (4, 2)
    hypervisor.wait(1.5)  # the guest has to know of a vCPU to give it back
    assert hypervisor.plug(guest, 2).removable_vcpus == 0


def test_vcpus_come_lowest_id_first_and_go_highest_first(hypervisor: Hypervisor) -> None:
    """So the dedicated vCPUs of a mixed guest are there when that with the highest id is."""
    guest = hypervisor.booted()
    for count in (5, 3, 4):
        hypervisor.plug(guest, count)
        assert guest.vcpu_ids() == list(range(count))


@pytest.mark.parametrize("vcpus", [0, -1, MAX_VCPUS + 1])
def test_vcpus_out_of_range(hypervisor: Hypervisor, vcpus: int) -> None:
    guest = hypervisor.create_transient()
    with pytest.raises(errors.InvalidSize):
        guest.domain.set_vcpus(vcpus)
    assert guest.domain.read().vcpus == BOOT_VCPUS


@pytest.mark.needs("boot_vcpus")
def test_a_vcpu_of_boot_time_stays_and_so_do_all(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.domain.set_vcpus(3)
    with pytest.raises(errors.VcpuNotRemovable):
        guest.domain.set_vcpus(1)
    assert guest.domain.read().vcpus == 3
    assert guest.configured().vcpus == BOOT_VCPUS


def test_a_domain_that_is_shut_off(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define()
    with pytest.raises(errors.DomainNotRunning):
        guest.domain.set_vcpus(3)
    with pytest.raises(errors.DomainNotRunning):
        guest.domain.set_memory(768)
    assert guest.configured().vcpus == BOOT_VCPUS
    assert guest.configured().memory_kib == MEMORY_MB * 1024


@pytest.mark.needs("definition")
@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("size", [Size(4, 768), Size(1, 300), Size(MAX_VCPUS, MAX_MEMORY_MB)])
def test_the_definition_alone(hypervisor: Hypervisor, running: bool, size: Size) -> None:
    guest = hypervisor.booted() if running else hypervisor.define()
    before = guest.domain.read()
    assert before.defined == Size(BOOT_VCPUS, MEMORY_MB)
    guest.domain.set_definition(size)
    reading = guest.domain.read()
    assert reading.defined == size
    if running:
        assert (reading.vcpus, reading.memory_mb) == (before.vcpus, before.memory_mb)
        assert reading.removable_vcpus == before.removable_vcpus
        guest.stop()
    guest.start()
    reading = guest.domain.read()
    # What was there at boot in the definition before stays so; what was added can be removed.
    removable = max(size.vcpus - BOOT_VCPUS, 0)
    assert (reading.vcpus, reading.removable_vcpus) == (size.vcpus, removable)
    hypervisor.until(guest, lambda read: read.memory_mb == size.memory_mb)


@pytest.mark.needs("definition")
def test_boot_vcpu_can_be_removed_after_it_returned_to_the_definition(
    hypervisor: Hypervisor,
) -> None:
    """What libvirt does to vCPUs in the definition that are not hotpluggable (measured): the
    highest ids go, and are hotpluggable from then on."""
    guest = hypervisor.define()
    guest.domain.set_definition(Size(1, MEMORY_MB))
    guest.domain.set_definition(Size(BOOT_VCPUS, MEMORY_MB))
    configured = guest.configured()
    assert (configured.vcpus, configured.removable_vcpus) == (BOOT_VCPUS, BOOT_VCPUS - 1)
    guest.start()
    assert guest.domain.read().removable_vcpus == BOOT_VCPUS - 1


@pytest.mark.needs("definition")
@pytest.mark.parametrize(
    "size", [Size(0, 512), Size(MAX_VCPUS + 1, 512), Size(2, 0), Size(2, MAX_MEMORY_MB + 1)]
)
def test_a_definition_out_of_range(hypervisor: Hypervisor, size: Size) -> None:
    guest = hypervisor.define()
    with pytest.raises(errors.InvalidSize):
        guest.domain.set_definition(size)
    assert guest.domain.read().defined == Size(BOOT_VCPUS, MEMORY_MB)


@pytest.mark.needs("definition")
def test_a_transient_domain_has_no_definition(hypervisor: Hypervisor) -> None:
    guest = hypervisor.create_transient()
    assert guest.domain.read().defined is None
    with pytest.raises(errors.DomainNotRunning):
        guest.domain.set_definition(Size(3, 768))
    assert guest.domain.read().vcpus == BOOT_VCPUS


def test_a_domain_that_is_gone(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define()
    guest.undefine()
    with pytest.raises(errors.DomainNotFound):
        guest.domain.read()
    with pytest.raises(errors.DomainNotFound):
        guest.domain.set_vcpus(3)
    with pytest.raises(errors.DomainNotFound):
        guest.domain.set_memory(768)


def test_a_transient_domain_is_gone_when_it_stops(hypervisor: Hypervisor) -> None:
    guest = hypervisor.create_transient()
    assert guest.domain.read().running
    guest.stop()
    with pytest.raises(errors.DomainNotFound):
        guest.domain.read()


def test_what_is_live_is_forgotten_at_the_next_start(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define()
    guest.start()
    guest.domain.set_vcpus(3)
    guest.domain.set_memory(768)
    assert guest.configured().vcpus == BOOT_VCPUS
    assert guest.configured().memory_kib == MEMORY_MB * 1024
    guest.stop()
    guest.start()
    assert guest.domain.read().vcpus == BOOT_VCPUS


@pytest.mark.needs("time")
def test_paused_acts_on_resume(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.pause()
    reading = guest.domain.read()
    assert (reading.running, reading.paused) == (True, True)
    guest.domain.set_vcpus(3)
    guest.domain.set_memory(768)
    hypervisor.wait(1)
    reading = guest.domain.read()
    assert (reading.vcpus, reading.memory_mb) == (3, MEMORY_MB)
    guest.resume()
    reading = hypervisor.until(guest, lambda read: read.memory_mb == 768)
    assert (reading.running, reading.paused, reading.vcpus) == (True, False, 3)


@pytest.mark.needs("time")
def test_a_removal_that_times_out_because_the_guest_is_paused(hypervisor: Hypervisor) -> None:
    """The only way to a 68 on the lab's QEMU; there it settles by itself."""
    guest = hypervisor.booted()
    guest.domain.set_vcpus(3)
    hypervisor.wait(1.5)
    guest.pause()
    with pytest.raises(errors.RemovalTimedOut):
        guest.domain.set_vcpus(2)
    assert guest.domain.read().vcpus == 3
    assert guest.configured().vcpus == BOOT_VCPUS
    guest.resume()
    hypervisor.until(guest, lambda read: read.vcpus == 2)


@pytest.mark.needs("guest", "crash")
def test_a_removal_that_times_out_and_the_add_that_crashes(hypervisor: Hypervisor) -> None:
    """Fakes only: see the reason why the others are skipped."""
    guest = hypervisor.booted(Behaviour.REMOVAL_TIMES_OUT)
    guest.domain.set_vcpus(3)
    with pytest.raises(errors.RemovalTimedOut):
        guest.domain.set_vcpus(2)
    assert guest.domain.read().vcpus == 3
    with pytest.raises(errors.DomainCallFailed):
        guest.domain.set_vcpus(4)
    assert not guest.domain.read().running


@pytest.mark.needs("guest", "refusal")
def test_a_guest_that_refuses(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define(Behaviour.REFUSES)
    guest.start()
    guest.domain.set_vcpus(3)
    with pytest.raises(errors.RemovalRejected):
        guest.domain.set_vcpus(2)
    guest.domain.set_memory(300)
    hypervisor.wait(10)
    reading = guest.domain.read()
    assert (reading.vcpus, reading.memory_mb) == (3, MAX_MEMORY_MB)
    assert guest.configured().vcpus == BOOT_VCPUS
