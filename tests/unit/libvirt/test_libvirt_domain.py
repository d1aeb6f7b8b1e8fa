# SPDX-License-Identifier: Apache-2.0
"""LibvirtDomain: what it makes of libvirt's answers; how libvirt behaves is tests/contract/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from nova_xloud import errors
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Size
from nova_xloud.libvirt.domain import LibvirtDomain, count_ids
from tests.unit.libvirt.dom import BALLOON, NOW, SILENT, SPEAKING, Dom, agent, libvirt_error


def test_memory_is_the_balloons_own_answer_rounded_up() -> None:
    # Neither info()'s 512 MiB nor the document's, which both may be a second old.
    stats = {**SPEAKING, "last_update": 1_700_000_000}
    assert LibvirtDomain(Dom(memoryStats=stats)).read().memory_mb == 489


def test_guest_that_has_not_reported_since_its_reset_may_hold_its_maximum() -> None:
    # QEMU goes on telling the balloon's size from before the reset (measured).
    _is_not_confirmed(LibvirtDomain(Dom(memoryStats={**SILENT, "last_update": 0})).read())
    nobody_asks = "<memballoon model='virtio'/>"
    read = LibvirtDomain(Dom(nobody_asks, memoryStats=SILENT)).read()
    assert (read.memory_mb, read.held.memory_mb, read.stats_period) == (489, 489, 0)


def test_a_time_without_figures_of_the_guest_is_no_report() -> None:
    # A driver that reports free pages and no statistics (measured).
    read = LibvirtDomain(Dom(memoryStats={**SILENT, "last_update": NOW}), lambda: NOW).read()
    _is_not_confirmed(read)
    assert (read.stats_at, read.balloon_driver) == (None, None)


def _is_not_confirmed(read: DomainReading) -> None:
    assert (read.memory_mb, read.memory_confirmed, read.held.memory_mb) == (489, False, 1024)
    assert (read.actuated.memory_mb, read.observed.memory_mb) == (489, None)


@pytest.mark.parametrize("code", [1, 9, 38, 67, 86, None])
def test_statistics_that_cannot_be_read_fail_nothing(code: int | None) -> None:
    error = libvirt.libvirtError("lost") if code is None else libvirt_error(code)
    read = LibvirtDomain(Dom(agent("connected"), memoryStats=error)).read()
    assert (read.running, read.vcpus, read.memory_mb) == (True, 2, 512)
    assert (read.memory_confirmed, read.observed.memory_mb, read.held.memory_mb) == (
        None,
        None,
        1024,
    )
    assert (read.balloon_driver, read.usable_mb, read.stats_at) == (None, None, None)


@pytest.mark.parametrize("code", [42, 55])
def test_a_domain_that_goes_while_it_is_read_is_gone(code: int) -> None:
    with pytest.raises((errors.DomainNotFound, errors.DomainNotRunning)):
        LibvirtDomain(Dom(memoryStats=libvirt_error(code))).read()


@pytest.mark.parametrize(
    ("state", "paused", "crashed"),
    [(1, False, False), (3, True, False), (6, True, True), (7, True, False)],
    ids=["running", "paused", "crashed", "asleep"],
)
def test_what_its_state_is(state: int, paused: bool, crashed: bool) -> None:
    dom = Dom(agent("connected"), state=state, guestVcpus={"online": "0-1"})
    read = LibvirtDomain(dom).read()
    assert (read.running, read.paused, read.crashed) == (True, paused, crashed)
    assert (read.vcpus_online is None) is paused


def test_memory_without_a_balloon_device_is_what_info_says() -> None:
    reading = LibvirtDomain(Dom("<memballoon model='none'/>", memoryStats={"rss": 1})).read()
    assert (reading.memory_mb, reading.balloon_driver) == (512, None)


def test_shut_off_is_read_from_the_configuration_in_two_calls() -> None:
    dom = Dom(active=False, state=5)
    reading = LibvirtDomain(dom).read()
    assert (reading.running, reading.vcpus, reading.memory_mb) == (False, 2, 391)
    assert [call[0] for call in dom.calls] == ["info", "XMLDesc"]


@pytest.mark.parametrize(
    ("devices", "stats", "expected"),
    [
        (BALLOON, SPEAKING, True),
        (BALLOON, SPEAKING | {"last_update": NOW - 13}, True),
        # One reading never says that it does not report: the host's clock may have stepped.
        (BALLOON, SILENT, None),
        (BALLOON, SPEAKING | {"last_update": NOW - 14}, None),
        (BALLOON, SPEAKING | {"last_update": NOW - 100_000}, None),
        (BALLOON, SPEAKING | {"last_update": NOW + 100_000}, None),
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
    reading = LibvirtDomain(Dom(memoryStats=stats)).read()
    assert (reading.usable_mb, reading.stats_at) == (usable_mb, stats_at)


def test_autodeflate_and_boot_id() -> None:
    held = BALLOON.replace("model", "autodeflate='off' model")
    given = BALLOON.replace("model", "autodeflate='on' model")
    read = [LibvirtDomain(Dom(balloon)).read().autodeflate for balloon in (BALLOON, held, given)]
    assert read == [False, False, True]
    assert LibvirtDomain(Dom()).read().boot_id == 3
    assert LibvirtDomain(Dom(active=False)).read().boot_id is None


def test_the_agent_is_asked_only_where_it_is_connected() -> None:
    answer = {"vcpus": "0-1", "online": "0,1", "offlinable": "1"}
    assert LibvirtDomain(Dom(agent("connected"), guestVcpus=answer)).read().vcpus_online == 2
    for dom in (
        Dom(guestVcpus=answer),
        Dom(agent("disconnected"), guestVcpus=answer),
        Dom(agent("connected"), state=libvirt.VIR_DOMAIN_PAUSED, guestVcpus=answer),
    ):
        assert LibvirtDomain(dom).read().vcpus_online is None
        assert ("guestVcpus",) not in dom.calls


@pytest.mark.parametrize("state", ["connected", "disconnected"])
def test_the_agents_time_out_is_the_domains_and_stays(state: str) -> None:
    dom = Dom(agent(state), guestVcpus={"online": "0-1"})
    domain = LibvirtDomain(dom)
    domain.read()
    domain.set_vcpus_online(2)
    assert [call for call in dom.calls if call[0] == "agentSetResponseTimeout"] == []


def test_where_the_agent_is_not_wanted_it_is_not_asked() -> None:
    dom = Dom(agent("connected"), guestVcpus={"online": "0-1"})
    assert LibvirtDomain(dom).read(agent=False).vcpus_online is None
    assert {call[0] for call in dom.calls} == {"info", "XMLDesc", "isPersistent", "memoryStats"}


def test_agent_calls_go_to_the_domain_itself_through_ask_agent() -> None:
    proxy, own, asked = Dom(agent("connected")), Dom(guestVcpus={"online": "0"}), []

    def ask(do: Callable[[], Any]) -> Any:
        asked.append(do)
        return do()

    domain = LibvirtDomain(proxy, direct=own, ask_agent=ask)
    assert domain.read().vcpus_online == 1
    domain.set_vcpus_online(2)
    assert own.calls == [("guestVcpus",), ("setVcpusFlags", 2, 8)]
    assert len(asked) == 2
    assert not {"guestVcpus", "setVcpusFlags"} & {call[0] for call in proxy.calls}


def test_an_agent_that_owes_an_answer_is_none() -> None:
    def ask(do: Callable[[], Any]) -> Any:
        raise errors.AgentUnavailable("not in time")

    dom = Dom(agent("connected"))
    assert LibvirtDomain(dom, ask_agent=ask).read().vcpus_online is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"vcpus": "0-3"},
        {"online": ""},
        {"online": None},
        {"online": "all"},
        {"online": "0-"},
        {"online": "1-0"},
        # QEMU has two.
        {"online": "0-2"},
        {"online": "0,7"},
        {"online": "0-63"},
    ],
)
def test_an_answer_that_makes_no_sense_is_none(answer: Any) -> None:
    assert LibvirtDomain(Dom(agent("connected"), guestVcpus=answer)).read().vcpus_online is None


def test_memory_devices() -> None:
    dimm = "<memory model='dimm'><target><size unit='KiB'>131072</size></target></memory>"
    virtio = "<memory model='virtio-mem'><target><size unit='KiB'>9</size></target></memory>"
    reading = LibvirtDomain(Dom(dimm + dimm + virtio)).read()
    assert (reading.attached_dimms_mb, reading.has_virtiomem) == (256, True)


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
    ("bitmap", "expected"), [("", 0), ("0", 1), ("0-3", 4), ("0-1,3", 3), ("0,2,4-7", 6)]
)
def test_count_ids(bitmap: str, expected: int) -> None:
    assert count_ids(bitmap) == expected


def test_the_period_of_statistics_is_set_live_alone() -> None:
    dom = Dom()
    LibvirtDomain(dom).set_statistics_period(1)
    assert dom.calls == [("setMemoryStatsPeriod", 1, 1)]


def test_one_that_is_asked_often_for_a_while_is_not_silent_sooner() -> None:
    """Its last report is 30 s old: too old for a period of 1 s, not for its usual 10 s."""
    dom = Dom(memoryStats=SPEAKING | {"last_update": NOW - 30})
    usual = [LibvirtDomain(dom, lambda: NOW, usual_period=seconds) for seconds in (1, 10)]
    assert [domain.read().balloon_driver for domain in usual] == [None, True]
