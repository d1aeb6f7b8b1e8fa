# SPDX-License-Identifier: Apache-2.0
"""What is made of libvirt's figures of a guest; how libvirt behaves is tests/contract/."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from nova_xloud import errors
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size
from nova_xloud.libvirt.guest_samples import read_samples, sample_of
from tests.unit.libvirt.dom import libvirt_error

AT = 1_000_000_100.5
DESIRED = Size(2, 1024)
# As libvirt 11.3 answers, in KiB and ns.
RECORD = {
    "state.state": 1,
    "state.reason": 1,
    "vcpu.current": 2,
    "vcpu.maximum": 8,
    "vcpu.0.state": 1,
    "vcpu.0.time": 3_000_000_000,
    "vcpu.0.wait": 0,
    "vcpu.0.delay": 100_000_000,
    "vcpu.2.state": 1,
    "vcpu.2.time": 1_500_000_000,
    "vcpu.2.wait": 0,
    "vcpu.2.delay": 50_000_000,
    "balloon.current": 1048576,
    "balloon.maximum": 4194304,
    "balloon.swap_in": 2048,
    "balloon.swap_out": 4096,
    "balloon.major_fault": 7,
    "balloon.minor_fault": 100,
    "balloon.unused": 204800,
    "balloon.available": 1000448,
    "balloon.usable": 512000,
    "balloon.disk_caches": 307200,
    "balloon.last-update": 1_000_000_099,
    "balloon.rss": 900000,
}
NEVER_SENT = 2**64 - 1


class Dom:
    def __init__(self, uuid: str, number: int = 7) -> None:
        self.UUIDString = lambda: uuid
        self.ID = lambda: number


class Connection:
    def __init__(self, *records: tuple[Dom, dict[str, Any]], error: Exception | None = None):
        self.records = list(records)
        self.error = error
        self.asked: list[tuple[int, int]] = []

    def getAllDomainStats(self, stats: int, flags: int) -> list[tuple[Any, dict[str, Any]]]:
        self.asked.append((stats, flags))
        if self.error:
            raise self.error
        return self.records


def of(**changed: Any) -> GuestSample:
    record = {**RECORD, **{name.replace("__", "."): value for name, value in changed.items()}}
    known = {name: value for name, value in record.items() if value is not None}
    found = sample_of(known, boot_id=7, at=AT, desired=DESIRED, period=2.0)
    assert found is not None
    return found


def test_figures_are_seconds_and_mib() -> None:
    assert of() == GuestSample(
        at=AT,
        boot_id=7,
        size=Size(2, 1024),
        desired=DESIRED,
        cpu_seconds=4.5,
        delay_seconds=0.15,
        available_mb=977.0,
        usable_mb=500.0,
        cache_mb=300.0,
        swapped_in_mb=2.0,
        swapped_out_mb=4.0,
        major_faults=7,
        reported_at=1_000_000_099,
        report_period=2.0,
    )


def test_one_call_reads_all_guests_and_waits_for_none() -> None:
    connection = Connection((Dom("a"), dict(RECORD)), (Dom("b", 8), dict(RECORD)))
    found = read_samples(connection, {"a": DESIRED, "c": DESIRED}, {"a": 2.0}, lambda: AT)
    assert found == {"a": of()}
    groups = (
        libvirt.VIR_DOMAIN_STATS_STATE
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_BALLOON
    )
    flags = (
        libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
        | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    )
    assert connection.asked == [(groups, flags)]


@pytest.mark.parametrize(
    ("reported_at", "at"),
    [
        (AT - 1, AT),
        (AT + 3, AT + 3),
        (AT + 60, AT + 4),
        (None, AT),
    ],
    ids=["before the call", "during the call", "in the future", "never"],
)
def test_time_of_a_sample_is_the_earliest_at_which_it_can_have_been_read(
    reported_at: float | None, at: float
) -> None:
    record = dict(RECORD)
    record["balloon.last-update"] = 0 if reported_at is None else int(reported_at)
    times = iter([AT, AT + 4])
    found = read_samples(
        Connection((Dom("a"), record)), {"a": DESIRED}, {"a": 1.0}, lambda: next(times)
    )
    assert found["a"].at == pytest.approx(at, abs=0.5)
    assert found["a"].at >= AT


def test_libvirt_does_not_answer() -> None:
    connection = Connection(error=libvirt_error(38))
    with pytest.raises(errors.DomainCallFailed, match=r"getAllDomainStats: .*\(libvirt error 38\)"):
        read_samples(connection, {"a": DESIRED}, {})


@pytest.mark.parametrize("missing", ["vcpu.current", "balloon.current"])
@pytest.mark.parametrize("value", [None, 0, -1, "2"])
def test_domain_without_a_size_has_no_sample(missing: str, value: Any) -> None:
    record = {**RECORD, missing: value}
    assert sample_of(record, boot_id=7, at=AT, desired=DESIRED, period=2.0) is None


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("balloon__swap_in", "swapped_in_mb"),
        ("balloon__swap_out", "swapped_out_mb"),
        ("balloon__major_fault", "major_faults"),
        ("balloon__usable", "usable_mb"),
        ("balloon__disk_caches", "cache_mb"),
        ("balloon__last-update", "reported_at"),
        ("vcpu__2__time", "cpu_seconds"),
        ("vcpu__2__delay", "delay_seconds"),
    ],
)
@pytest.mark.parametrize("value", [None, -1, NEVER_SENT, "many", True])
def test_figure_that_is_nonsense_is_unknown_and_not_zero(name: str, field: str, value: Any) -> None:
    assert getattr(of(**{name: value}), field) is None


@pytest.mark.parametrize(
    "nonsense",
    [
        {"balloon__available": None},
        {"balloon__available": NEVER_SENT},
        {"balloon__available": 4194304 + 2 * 1024},
        {"balloon__usable": 1000449},
    ],
    ids=["no total", "total never sent", "more than its maximum", "more usable than there is"],
)
def test_guest_that_contradicts_itself_is_believed_in_nothing(nonsense: dict[str, Any]) -> None:
    one = of(**nonsense)
    assert (one.available_mb, one.usable_mb, one.cache_mb) == (None, None, None)
    assert one.cpu_seconds == 4.5


def test_free_memory_does_not_stand_in_for_usable_memory() -> None:
    assert of(balloon__usable=None).usable_mb is None


def test_cache_larger_than_the_guest_is_unknown() -> None:
    one = of(balloon__disk_caches=1000449)
    assert (one.cache_mb, one.usable_mb) == (None, 500.0)


def test_no_report_since_the_start_is_no_time_of_a_report() -> None:
    assert of(**{"balloon__last-update": 0}).reported_at is None


def test_vcpu_that_is_not_counted_makes_the_sum_unknown() -> None:
    assert of(vcpu__current=3).cpu_seconds is None


def test_busy_domain_has_vcpu_times_and_no_memory_figures() -> None:
    kept = ("vcpu", "state", "balloon.current", "balloon.maximum")
    busy = {name: value for name, value in RECORD.items() if name.startswith(kept)}
    one = sample_of(busy, boot_id=7, at=AT, desired=DESIRED, period=2.0)
    assert one is not None
    assert one.size == Size(2, 1024)
    assert one.cpu_seconds == 4.5
    assert (one.available_mb, one.usable_mb, one.reported_at) == (None, None, None)
