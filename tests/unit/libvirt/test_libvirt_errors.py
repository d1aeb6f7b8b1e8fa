# SPDX-License-Identifier: Apache-2.0
"""LibvirtDomain: what each of libvirt's errors becomes, by its code and its words."""

from __future__ import annotations

import libvirt
import pytest

from nova_xloud import errors
from nova_xloud.libvirt.domain import LibvirtDomain
from nova_xloud.libvirt.error_codes import CONSTANTS, NUMBERS_OF_NEW
from tests.unit.libvirt.dom import Dom, agent, libvirt_error

AGENT_ERRORS = [
    (1, "internal error: unable to execute QEMU agent command 'guest-get-vcpus': disabled"),
    (1, "internal error: guest agent returned malformed or invalid return value"),
    (1, "internal error: vcpu id '9' reported by guest agent is out of range"),
    (9, "operation failed: whatever"),
    (55, "Requested operation is not valid: domain is not running"),
    (68, "Timed out during operation: cannot acquire state change lock (held by agent=x)"),
    (74, "argument unsupported: QEMU guest agent is not configured"),
    (84, "Operation not supported: words"),
    (86, "Guest agent is not responding: QEMU guest agent is not connected"),
    (112, "guest agent command timed out: words"),
    (113, "Guest agent command failed: words"),
]


@pytest.mark.parametrize(("code", "words"), AGENT_ERRORS)
def test_an_agent_that_answers_with_an_error_is_none(code: int, words: str) -> None:
    dom = Dom(agent("connected"), guestVcpus=libvirt_error(code, words))
    assert LibvirtDomain(dom).read().vcpus_online is None


BUSY = "cannot acquire state change lock (held by monitor=remoteDispatchDomainBlockCopy)"


@pytest.mark.parametrize(
    ("code", "words", "cls"),
    [
        (8, "requested vcpu count is greater than the count of enabled", errors.InvalidSize),
        (8, "unsupported flags (0x8) in function x", errors.DomainCallFailed),
        (55, "domain is not running", errors.DomainNotRunning),
        # No removal, so no vCPU that is late.
        (68, BUSY, errors.DomainBusy),
        (68, "words", errors.DomainBusy),
        *(
            (code, words, errors.AgentUnavailable)
            for code, words in AGENT_ERRORS
            if code in (1, 9, 74, 84, 86, 112, 113)
        ),
        (1, "Cannot offline enough CPUs", errors.AgentUnavailable),
    ],
)
def test_errors_of_set_vcpus_online(code: int, words: str, cls: type[errors.DomainError]) -> None:
    domain = LibvirtDomain(Dom(setVcpusFlags=libvirt_error(code, words)))
    with pytest.raises(errors.DomainError) as caught:
        domain.set_vcpus_online(3)
    assert type(caught.value) is cls


@pytest.mark.parametrize(
    ("code", "words", "cls"),
    [
        (8, "requested vcpus is greater than max allowable vcpus", errors.InvalidSize),
        (8, "unsupported flags (0x40) in function x", errors.DomainCallFailed),
        (82, "numerical overflow: input too large", errors.InvalidSize),
        (42, "Domain not found", errors.DomainNotFound),
        (55, "domain is not running", errors.DomainNotRunning),
        (55, "transient domains do not have any persistent config", errors.DomainNotRunning),
        (55, "domain is being migrated", errors.DomainBusy),
        (67, "failed to find appropriate hotpluggable vcpus", errors.VcpuNotRemovable),
        (84, "vcpu '3' can't be unplugged", errors.VcpuNotRemovable),
        (84, "words", errors.DomainCallFailed),
        (68, "vcpu unplug request timed out. Unplug result must be", errors.RemovalTimedOut),
        (68, BUSY, errors.DomainBusy),
        (68, "cannot acquire state change lock", errors.DomainBusy),
        # A libvirtd that speaks another language: it may be pending.
        (68, "Zeit abgelaufen", errors.RemovalTimedOut),
        (9, f"{BUSY} due to max_queued limit", errors.DomainBusy),
        (9, "unplug of device was rejected by the guest", errors.RemovalRejected),
        (9, "domain is no longer running", errors.DomainNotRunning),
        (9, "words", errors.DomainCallFailed),
        (1, "Device vcpu3 is already in the process of unplug", errors.RemovalTimedOut),
        (1, "core-id 3 unplug is still pending", errors.RemovalTimedOut),
        (1, "words", errors.DomainCallFailed),
        (38, "Unable to read from monitor", errors.DomainCallFailed),
    ],
)
def test_errors_of_set_vcpus(code: int, words: str, cls: type[errors.DomainError]) -> None:
    domain = LibvirtDomain(Dom(setVcpusFlags=libvirt_error(code, words)))
    with pytest.raises(errors.DomainError) as caught:
        domain.set_vcpus(3)
    assert type(caught.value) is cls
    said = f"setVcpusFlags(3, 1) on instance-00000001: {words} (libvirt error {code})"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("code", "words", "cls"),
    [
        (67, "words", errors.DomainCallFailed),
        (68, BUSY, errors.DomainBusy),
        (68, "words", errors.DomainBusy),
        (
            55,
            "Unable to change memory of active domain without the balloon device",
            errors.DomainCallFailed,
        ),
        (55, "domain is not running", errors.DomainNotRunning),
        (9, f"{BUSY} due to max_queued limit", errors.DomainBusy),
    ],
)
def test_errors_of_set_memory(code: int, words: str, cls: type[errors.DomainError]) -> None:
    domain = LibvirtDomain(Dom(setMemoryFlags=libvirt_error(code, words)))
    with pytest.raises(errors.DomainError) as caught:
        domain.set_memory(768)
    assert type(caught.value) is cls


def test_domain_that_another_call_holds_is_busy_and_not_without_statistics() -> None:
    with pytest.raises(errors.DomainBusy):
        LibvirtDomain(Dom(memoryStats=libvirt_error(68, BUSY))).read()


def test_an_error_without_a_code() -> None:
    domain = LibvirtDomain(Dom(info=libvirt.libvirtError("lost")))
    with pytest.raises(errors.DomainCallFailed, match=r"info\(\) on instance-00000001: lost"):
        domain.read()


def test_every_constant_of_the_table_is_libvirts() -> None:
    assert {name for name in CONSTANTS if not hasattr(libvirt, name)} <= NUMBERS_OF_NEW.keys()
    there = {name: getattr(libvirt, name, code) for name, code in NUMBERS_OF_NEW.items()}
    assert there == NUMBERS_OF_NEW
