# SPDX-License-Identifier: Apache-2.0
"""The contract of the survey: what one call tells of all domains is what each one says."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from nova_xloud import errors, releases
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.size import Size
from tests.contract.rigs import BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB, Guest, Hypervisor

needs = pytest.mark.needs


def basics(one: DomainStats | DomainReading) -> tuple[bool, int, int, int, int | None]:
    return (one.running, one.vcpus, one.memory_mb, one.max_memory_mb, one.boot_id)


def as_read(guest: Guest) -> tuple[bool, int, int, int, int | None]:
    return basics(guest.domain.read())


@needs("survey")
def test_every_domain_is_in_it(hypervisor: Hypervisor) -> None:
    off, running, paused = hypervisor.define(), hypervisor.booted(), hypervisor.booted()
    running.domain.set_vcpus(3)
    running.domain.set_memory(768)
    hypervisor.until(running, lambda read: read.memory_mb == 768)
    hypervisor.wait(2)  # QEMU tells of the balloon once a second
    paused.pause()
    transient = hypervisor.create_transient()
    seen = hypervisor.survey()
    assert basics(seen[off.uuid]) == (False, BOOT_VCPUS, MEMORY_MB, MAX_MEMORY_MB, None)
    assert basics(seen[running.uuid]) == as_read(running)
    assert seen[running.uuid].memory_confirmed
    assert not seen[running.uuid].paused
    assert seen[running.uuid].memory_mb == 768
    assert basics(seen[paused.uuid]) == as_read(paused)
    assert seen[paused.uuid].running
    assert seen[paused.uuid].paused
    assert seen[transient.uuid].running


@needs("survey", "definition")
def test_stats_of_requested_domains_include_the_definition(hypervisor: Hypervisor) -> None:
    off, running, other = hypervisor.define(), hypervisor.booted(), hypervisor.define()
    transient = hypervisor.create_transient()
    running.domain.set_vcpus(3)
    off.domain.set_definition(Size(4, 300))
    seen = hypervisor.survey({off.uuid, running.uuid, transient.uuid})
    assert seen[off.uuid].defined == Size(4, 300)
    assert seen[running.uuid].defined == Size(BOOT_VCPUS, MEMORY_MB)
    assert seen[running.uuid].vcpus == 3
    assert seen[transient.uuid].defined is None
    assert seen[other.uuid].defined is None
    assert {one.pinned_mb for one in seen.values()} == {0}


@needs("survey", "definition")
def test_only_stats_of_requested_domains_tell_that_they_are_asked_often(
    hypervisor: Hypervisor,
) -> None:
    requested, other, off = hypervisor.booted(), hypervisor.booted(), hypervisor.define()
    for guest in (requested, other):
        guest.domain.set_statistics_period(1)
    seen = hypervisor.survey({requested.uuid, off.uuid}, usual_period=10)
    found = {uuid: one.asked_often for uuid, one in seen.items()}
    assert found == {requested.uuid: True, other.uuid: False, off.uuid: False}
    usual = hypervisor.survey({requested.uuid}, usual_period=1)
    assert not usual[requested.uuid].asked_often


@needs("survey")
def test_a_domain_that_is_gone_is_not_in_it(hypervisor: Hypervisor) -> None:
    gone, transient = hypervisor.define(), hypervisor.create_transient()
    gone.undefine()
    transient.stop()
    assert hypervisor.survey().keys().isdisjoint({gone.uuid, transient.uuid})


@needs("survey", "busy")
def test_stats_of_a_busy_domain_do_not_block_the_survey(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted()
    guest.domain.set_vcpus(3)
    hypervisor.wait(1.5)
    guest.pause()
    removal = _threads().Thread(target=_remove, args=[guest])
    removal.start()
    hypervisor.wait(0.5)
    seen = hypervisor.survey()
    assert removal.is_alive()
    assert seen[guest.uuid].vcpus == 3
    removal.join()


def _threads() -> Any:
    """Those of the machine: on eventlet a call to libvirt would hold all others, but Nova makes it
    in such a thread too.
    """
    if releases.major() >= 34:
        return threading
    from eventlet import patcher

    return patcher.original("threading")


def _remove(guest: Guest) -> None:
    with pytest.raises(errors.RemovalTimedOut):
        guest.domain.set_vcpus(2)
