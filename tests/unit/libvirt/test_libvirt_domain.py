# SPDX-License-Identifier: Apache-2.0
"""LibvirtDomain: what it makes of libvirt's answers; how libvirt behaves is tests/contract/."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from nova_xloud import errors
from nova_xloud.core.size import Size
from nova_xloud.libvirt.domain import LibvirtDomain, count_ids
from nova_xloud.libvirt.error_codes import BY_NAME, NUMBERS_OF_NEW

BALLOON = "<memballoon model='virtio'><stats period='1'/></memballoon>"
SILENT = {"actual": 500000, "last_update": 0, "rss": 1}
NOW = 1_000_000_000
SPEAKING = SILENT | {"available": 9, "unused": 5000, "usable": 4095, "last_update": NOW}


class Dom:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(
        self, devices: str = BALLOON, *, active: bool = True, state: int = 1, **answers: Any
    ):
        xml_id = " id='3'" if active else ""
        self.answers: dict[str, Any] = {
            "info": [state, 1048576, 524288, 2, 0],
            "XMLDesc": f"<domain{xml_id}><memory unit='KiB'>1048576</memory>"
            "<currentMemory unit='KiB'>400000</currentMemory>"
            f"<vcpu current='2'>4</vcpu><devices>{devices}</devices></domain>",
            "memoryStats": SILENT,
            "isPersistent": 1,
            "guestVcpus": None,
            "agentSetResponseTimeout": 0,
            "setVcpusFlags": 0,
            "setMemoryFlags": 0,
            **answers,
        }
        self.calls: list[tuple[Any, ...]] = []

    def name(self) -> str:
        return "instance-00000001"

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((method, *arguments))
            answer = self.answers[method]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def libvirt_error(code: int, message: str = "words of libvirt") -> libvirt.libvirtError:
    error = libvirt.libvirtError(message)
    error.err = (code, 10, message, 2, None, None, None, 0, 0)
    return error


def agent(state: str) -> str:
    target = f"<target type='virtio' name='org.qemu.guest_agent.0' state='{state}'/>"
    return f"{BALLOON}<channel type='unix'>{target}</channel>"


def test_memory_is_the_balloons_own_answer_rounded_up() -> None:
    # Neither info()'s 512 MiB nor the document's, which both may be a second old.
    stats = {**SILENT, "last_update": 1_700_000_000}
    assert LibvirtDomain(Dom(memoryStats=stats)).read().memory_mb == 489


def test_a_guest_that_has_not_reported_since_it_was_reset_has_all_of_its_memory() -> None:
    # QEMU goes on telling the balloon's size from before the reset (measured).
    assert LibvirtDomain(Dom(memoryStats={**SILENT, "last_update": 0})).read().memory_mb == 1024
    nobody_asks = "<memballoon model='virtio'/>"
    assert LibvirtDomain(Dom(nobody_asks, memoryStats=SILENT)).read().memory_mb == 489


def test_memory_without_a_balloon_device_is_what_info_says() -> None:
    figures = LibvirtDomain(Dom("<memballoon model='none'/>", memoryStats={"rss": 1})).read()
    assert (figures.memory_mb, figures.balloon_driver) == (512, None)


def test_shut_off_is_read_from_the_configuration_in_two_calls() -> None:
    dom = Dom(active=False, state=5)
    figures = LibvirtDomain(dom).read()
    assert (figures.running, figures.vcpus, figures.memory_mb) == (False, 2, 391)
    assert [call[0] for call in dom.calls] == ["info", "XMLDesc"]


@pytest.mark.parametrize(
    ("devices", "stats", "expected"),
    [
        (BALLOON, SILENT, False),
        (BALLOON, SPEAKING, True),
        (BALLOON, SPEAKING | {"last_update": NOW - 13}, True),
        (BALLOON, SPEAKING | {"last_update": NOW - 14}, False),
        # Nova's default period.
        (BALLOON.replace("period='1'", "period='10'"), SPEAKING | {"last_update": NOW - 40}, True),
        ("<memballoon model='virtio'/>", SILENT, None),
        ("<memballoon model='virtio'><stats period='0'/></memballoon>", SILENT, None),
        ("<memballoon model='none'/>", SILENT, None),
        ("", SILENT, None),
    ],
)
def test_balloon_driver(devices: str, stats: dict[str, int], expected: bool | None) -> None:
    dom = Dom(devices, memoryStats=stats)
    assert LibvirtDomain(dom, lambda: NOW).read().balloon_driver is expected


def test_the_driver_of_a_paused_guest_is_not_gone() -> None:
    dom = Dom(state=libvirt.VIR_DOMAIN_PAUSED, memoryStats=SPEAKING)
    assert LibvirtDomain(dom).read().balloon_driver


@pytest.mark.parametrize(
    ("stats", "usable_mb", "stats_at"),
    [
        (SPEAKING, 3, NOW),
        (SILENT | {"unused": 5000, "last_update": NOW}, 4, NOW),
        (SILENT, None, None),
        ({"rss": 1}, None, None),
    ],
)
def test_what_the_guest_can_spare_is_rounded_down(
    stats: dict[str, int], usable_mb: int | None, stats_at: int | None
) -> None:
    figures = LibvirtDomain(Dom(memoryStats=stats)).read()
    assert (figures.usable_mb, figures.stats_at) == (usable_mb, stats_at)


def test_autodeflate_and_boot_id() -> None:
    held = BALLOON.replace("model", "autodeflate='off' model")
    given = BALLOON.replace("model", "autodeflate='on' model")
    read = [LibvirtDomain(Dom(balloon)).read().autodeflate for balloon in (BALLOON, held, given)]
    assert read == [False, False, True]
    assert LibvirtDomain(Dom()).read().boot_id == 3
    assert LibvirtDomain(Dom(active=False)).read().boot_id is None


def test_the_agent_is_asked_only_where_it_is_connected() -> None:
    answer = {"vcpus": "0-3", "online": "0-1,3", "offlinable": "1-3"}
    assert LibvirtDomain(Dom(agent("connected"), guestVcpus=answer)).read().vcpus_online == 3
    for dom in (
        Dom(guestVcpus=answer),
        Dom(agent("disconnected"), guestVcpus=answer),
        Dom(agent("connected"), state=libvirt.VIR_DOMAIN_PAUSED, guestVcpus=answer),
    ):
        assert LibvirtDomain(dom).read().vcpus_online is None
        assert ("guestVcpus",) not in dom.calls


def test_the_agent_has_five_seconds_and_not_for_ever() -> None:
    dom = Dom(agent("connected"), guestVcpus=None)
    LibvirtDomain(dom).read()
    assert dom.calls.index(("agentSetResponseTimeout", 5, 0)) < dom.calls.index(("guestVcpus",))


@pytest.mark.parametrize("answer", [None, *(libvirt_error(code) for code in (74, 86, 112))])
def test_an_agent_that_does_not_answer(answer: Any) -> None:
    assert LibvirtDomain(Dom(agent("connected"), guestVcpus=answer)).read().vcpus_online is None


def test_bringing_cpus_online_gives_the_agent_a_bound_first() -> None:
    dom = Dom()
    LibvirtDomain(dom).set_vcpus_online(3)
    # VIR_DOMAIN_VCPU_GUEST
    assert dom.calls == [("agentSetResponseTimeout", 5, 0), ("setVcpusFlags", 3, 8)]


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (8, errors.InvalidSize),
        (74, errors.AgentUnavailable),
        (86, errors.AgentUnavailable),
        (112, errors.AgentUnavailable),
        (55, errors.DomainNotRunning),
        # "Cannot offline enough CPUs", and a lock that was not got: no removal.
        (1, errors.DomainCallFailed),
        (68, errors.DomainCallFailed),
    ],
)
def test_errors_of_set_vcpus_online(code: int, cls: type[errors.DomainError]) -> None:
    domain = LibvirtDomain(Dom(setVcpusFlags=libvirt_error(code)))
    with pytest.raises(errors.DomainError) as caught:
        domain.set_vcpus_online(3)
    assert type(caught.value) is cls


def test_memory_devices() -> None:
    dimm = "<memory model='dimm'><target><size unit='KiB'>131072</size></target></memory>"
    virtio = "<memory model='virtio-mem'><target><size unit='KiB'>9</size></target></memory>"
    figures = LibvirtDomain(Dom(dimm + dimm + virtio)).read()
    assert (figures.attached_dimms_mb, figures.has_virtiomem) == (256, True)


def test_flags() -> None:
    dom = Dom()
    domain = LibvirtDomain(dom)
    domain.set_vcpus(3)
    domain.set_memory(768)
    domain.set_definition(Size(2, 512))
    assert dom.calls == [
        # LIVE
        ("setVcpusFlags", 3, 1),
        ("setMemoryFlags", 786432, 1),
        # CONFIG and HOTPLUGGABLE
        ("setVcpusFlags", 2, 2 | 16),
        ("setMemoryFlags", 524288, 2),
    ]


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (8, errors.InvalidSize),
        (82, errors.InvalidSize),
        (42, errors.DomainNotFound),
        (55, errors.DomainNotRunning),
        (67, errors.VcpuNotRemovable),
        (68, errors.RemovalTimedOut),
        (74, errors.AgentUnavailable),
        (86, errors.AgentUnavailable),
        (38, errors.DomainCallFailed),
        (1, errors.DomainCallFailed),
    ],
)
def test_errors_of_set_vcpus(code: int, cls: type[errors.DomainError]) -> None:
    domain = LibvirtDomain(Dom(setVcpusFlags=libvirt_error(code)))
    with pytest.raises(errors.DomainError) as caught:
        domain.set_vcpus(3)
    assert type(caught.value) is cls
    said = f"setVcpusFlags(3, 1) on instance-00000001: words of libvirt (libvirt {code})"
    assert str(caught.value) == said


@pytest.mark.parametrize("code", [67, 68])
def test_what_is_about_vcpus_only_when_vcpus_were_set(code: int) -> None:
    """68 on other calls is a lock that was not got; 67 something else not supported."""
    domain = LibvirtDomain(Dom(setMemoryFlags=libvirt_error(code), memoryStats=libvirt_error(code)))
    for call in (domain.read, lambda: domain.set_memory(768)):
        with pytest.raises(errors.DomainError) as caught:
            call()
        assert type(caught.value) is errors.DomainCallFailed


def test_an_error_without_a_code() -> None:
    domain = LibvirtDomain(Dom(info=libvirt.libvirtError("lost")))
    with pytest.raises(errors.DomainCallFailed, match=r"info\(\) on instance-00000001: lost"):
        domain.read()


def test_every_constant_of_the_table_is_libvirts() -> None:
    assert {name for name in BY_NAME if not hasattr(libvirt, name)} <= NUMBERS_OF_NEW.keys()
    there = {name: getattr(libvirt, name, code) for name, code in NUMBERS_OF_NEW.items()}
    assert there == NUMBERS_OF_NEW


@pytest.mark.parametrize(
    ("bitmap", "expected"), [("", 0), ("0", 1), ("0-3", 4), ("0-1,3", 3), ("0,2,4-7", 6)]
)
def test_count_ids(bitmap: str, expected: int) -> None:
    assert count_ids(bitmap) == expected
