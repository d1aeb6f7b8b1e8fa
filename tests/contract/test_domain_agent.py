# SPDX-License-Identifier: Apache-2.0
"""The contract of the Domain port: the CPUs that the guest agent brings online."""

from __future__ import annotations

import pytest

from nova_xloud import errors
from nova_xloud.testing import Behaviour
from tests.contract.rigs import BOOT_VCPUS, Hypervisor


@pytest.mark.needs("agent_call")
def test_without_an_agent_no_cpu_is_brought_online(hypervisor: Hypervisor) -> None:
    guest = hypervisor.define()
    with pytest.raises(errors.DomainNotRunning):
        guest.domain.set_vcpus_online(1)
    guest.start()
    with pytest.raises(errors.InvalidSize):
        guest.domain.set_vcpus_online(0)
    with pytest.raises(errors.AgentUnavailable):
        guest.domain.set_vcpus_online(1)
    guest.stop()
    guest.undefine()
    with pytest.raises(errors.DomainNotFound):
        guest.domain.set_vcpus_online(1)


@pytest.mark.needs("agent")
def test_the_agent_takes_cpus_offline_and_brings_them_online(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(agent=True)
    guest.domain.set_vcpus(4)
    hypervisor.until(guest, lambda read: read.vcpus_online == 4)
    guest.domain.set_vcpus_online(1)
    hypervisor.wait(2)
    reading = guest.domain.read()
    assert (reading.vcpus, reading.vcpus_online) == (4, 1)
    guest.domain.set_vcpus_online(3)
    assert guest.domain.read().vcpus_online == 3
    for count in (5, 0, -1):
        with pytest.raises(errors.InvalidSize):
            guest.domain.set_vcpus_online(count)
    assert guest.domain.read().vcpus_online == 3


@pytest.mark.needs("agent", "guest")
def test_a_cpu_that_is_offline_can_be_removed(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(agent=True)
    guest.domain.set_vcpus(4)
    hypervisor.until(guest, lambda read: read.vcpus_online == 4)
    guest.domain.set_vcpus_online(1)
    hypervisor.plug(guest, 2)
    assert guest.domain.read().vcpus_online == 1


@pytest.mark.needs("agent", "guest")
def test_the_agent_brings_online_what_the_guest_does_not(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(Behaviour.NO_ONLINE, agent=True)
    guest.domain.set_vcpus(4)
    hypervisor.wait(2)
    assert guest.domain.read().vcpus_online == BOOT_VCPUS
    guest.domain.set_vcpus_online(4)
    assert guest.domain.read().vcpus_online == 4


@pytest.mark.needs("agent")
def test_the_agent_of_a_paused_guest(hypervisor: Hypervisor) -> None:
    guest = hypervisor.booted(agent=True)
    guest.pause()
    assert guest.domain.read().vcpus_online is None
    with pytest.raises(errors.DomainNotRunning):
        guest.domain.set_vcpus_online(1)
