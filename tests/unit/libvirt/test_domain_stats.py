# SPDX-License-Identifier: Apache-2.0
"""The survey: what it makes of libvirt's answer; how libvirt behaves is tests/contract/."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from nova_xloud import errors
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.libvirt.domain_stats import survey
from tests.unit.libvirt.dom import libvirt_error


class Dom:
    def __init__(self, uuid: str, number: int) -> None:
        self.UUIDString = lambda: uuid
        self.ID = lambda: number


def document(*, period: int, live: bool = True) -> str:
    xml_id = " id='7'" if live else ""
    return (
        f"<domain{xml_id}><memory>1048576</memory><vcpu>4</vcpu><devices>"
        f"<memballoon model='virtio'><stats period='{period}'/></memballoon></devices></domain>"
    )


class Read(Dom):
    """A domain whose documents are read too."""

    def __init__(self, live: int, defined: int, *, number: int = 7) -> None:
        super().__init__("a", number)
        self._periods = {0: live, libvirt.VIR_DOMAIN_XML_INACTIVE: defined}
        self.isPersistent = lambda: 1

    def XMLDesc(self, flags: int) -> str:
        return document(period=self._periods[flags], live=not flags)


class Connection:
    """Answers with these records, and remembers what it was asked."""

    def __init__(self, *records: tuple[Dom, dict[str, Any]], error: Exception | None = None):
        self.records = list(records)
        self.error = error
        self.asked: list[tuple[int, int]] = []

    def getAllDomainStats(self, stats: int, flags: int) -> list[tuple[Any, dict[str, Any]]]:
        self.asked.append((stats, flags))
        if self.error:
            raise self.error
        return self.records


def record(vcpus: int, memory_kib: int) -> dict[str, Any]:
    return {"vcpu.current": vcpus, "vcpu.maximum": 8, "balloon.current": memory_kib}


def test_all_in_one_call_that_waits_for_none() -> None:
    connection = Connection((Dom("a", 7), record(2, 524289)), (Dom("b", -1), record(1, 524288)))
    assert survey(connection) == {
        "a": DomainStats(running=True, vcpus=2, memory_mb=513, boot_id=7, max_memory_mb=513),
        "b": DomainStats(running=False, vcpus=1, memory_mb=512, boot_id=None, max_memory_mb=512),
    }
    asked = (
        libvirt.VIR_DOMAIN_STATS_STATE
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_BALLOON
    )
    assert connection.asked == [(asked, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)]


@pytest.mark.parametrize("missing", ["vcpu.current", "balloon.current"])
def test_what_is_not_told_is_not_known(missing: str) -> None:
    partly = record(2, 524288)
    del partly[missing]
    assert survey(Connection((Dom("a", 7), partly))) == {}


def test_libvirt_does_not_answer() -> None:
    with pytest.raises(errors.DomainCallFailed, match=r"getAllDomainStats: .*\(libvirt error 38\)"):
        survey(Connection(error=libvirt_error(38)))


# A live migration makes the period that was set live the definition.
@pytest.mark.parametrize("defined", [1, 10])
@pytest.mark.parametrize(
    ("live", "usual", "often"),
    [(1, 10, True), (10, 10, False), (5, 10, False), (0, 10, False), (1, 1, False), (1, 0, False)],
)
def test_one_that_is_asked_as_often_as_in_a_shrink(
    live: int, defined: int, usual: int, often: bool
) -> None:
    connection = Connection((Read(live, defined), record(2, 524288)))
    assert survey(connection, {"a"}, usual)["a"].asked_often is often


def test_stopped_domain_is_not_asked_for_its_statistics() -> None:
    connection = Connection((Read(1, 1, number=-1), record(2, 524288)))
    assert not survey(connection, {"a"}, 10)["a"].asked_often


@pytest.mark.parametrize(
    ("told", "stats_at", "is_confirmed"),
    [
        ({}, None, True),
        ({"balloon.last-update": 0, "balloon.rss": 524288}, None, False),
        ({"balloon.last-update": 1_700_000_000, "balloon.rss": 524288}, None, False),
        ({"balloon.last-update": 1_700_000_000, "balloon.usable": 1024}, 1_700_000_000, True),
    ],
    ids=["not-asked", "no-report", "a-time-without-figures", "a-report"],
)
def test_memory_counts_as_held_with_figures_of_the_guest(
    told: dict[str, int], stats_at: int | None, is_confirmed: bool
) -> None:
    stats = survey(Connection((Dom("a", 7), record(2, 524288) | told)))["a"]
    assert (stats.stats_at, stats.memory_confirmed) == (stats_at, is_confirmed)
