# SPDX-License-Identifier: Apache-2.0
"""What rounds of automatic growth know of the room on their host, and when they ask for it."""

from __future__ import annotations

from nova_xloud.core.autoscaling.mode import Scaling
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.size import Size
from nova_xloud.errors import QuotaExceeded
from tests.unit.compute.autoscale_rig import ScaledHost


def _busy(host: ScaledHost, vcpus: float = 8.0, uuid: str = "a") -> None:
    host.rigs[uuid].guest.work(vcpus)


def _person(host: ScaledHost, vcpus: int, uuid: str = "a") -> None:
    """A person asks for so many vCPUs."""
    host.rigs[uuid].adjust(vcpus=vcpus)
    host.learn()


def _fill(host: ScaledHost, others: Size) -> None:
    """Let others on the host have so much, beside the guests."""
    host.guests.others = others
    for uuid, rig in host.rigs.items():
        rig.claims.others = Size(
            others.vcpus + sum(r.claims.size.vcpus for u, r in host.rigs.items() if u != uuid),
            others.memory_mb
            + sum(r.claims.size.memory_mb for u, r in host.rigs.items() if u != uuid),
        )


def _asked(host: ScaledHost) -> int:
    return host.guests.calls.count("room")


def test_claim_of_long_ago_is_not_taken_for_what_a_guest_owns() -> None:
    host = ScaledHost(capacity=Size(8, 16384))
    host.round(20)
    _busy(host, 6.0)
    host.until(lambda: host.desired.vcpus == 8, rounds=20)
    host.round(5)
    # A person makes it small again, and others take what became free.
    _person(host, 2)
    _busy(host, 0.1)
    host.round(3)
    _fill(host, Size(6, 0))
    host.round(15)
    _busy(host)
    asked = host.guests.calls.count("check_growth")
    host.round(10)
    assert host.status()["deferred"] == "xloud.growth_deferred.host_full"
    assert host.guests.calls.count("check_growth") == asked, "what cannot be is not asked for"


def test_placement_is_asked_less_often_while_a_full_host_stays_as_it_is() -> None:
    host = ScaledHost(capacity=Size(8, 16384))
    _fill(host, Size(6, 0))
    host.round(20)
    _busy(host)
    host.round(10)
    before = _asked(host)
    host.round(60)
    assert host.status()["deferred"] == "xloud.growth_deferred.host_full"
    assert _asked(host) - before <= 12, "of 60 rounds"


def test_growth_is_given_at_once_when_a_neighbour_has_given_back() -> None:
    host = ScaledHost("a", "b", capacity=Size(8, 16384))
    host.round(20)
    _person(host, 6, "b")
    _fill(host, Size(0, 0))
    _busy(host)
    host.round(30)
    assert host.desired == Size(2, 1024)
    _person(host, 2, "b")
    _fill(host, Size(0, 0))
    host.until(lambda: host.desired.vcpus > 2, rounds=2)


def test_guest_without_quota_keeps_nothing_from_others() -> None:
    host = ScaledHost("a", "b", capacity=Size(6, 16384))
    host.rigs["a"].record.scaling = Scaling(Mode.ON, weight=1000)
    host.learn()
    host.round(20)
    host.guests.quota["a"] = QuotaExceeded("cores: 2 more than the limit")
    _busy(host, uuid="a")
    host.round(10)
    assert host.status()["deferred"] == "xloud.growth_deferred.quota"
    _busy(host, uuid="b")
    _fill(host, Size(0, 0))
    host.until(lambda: host.rigs["b"].record.desired.target.vcpus == 4, rounds=3)
    host.round(3)
    assert host.status()["deferred"] == "xloud.growth_deferred.quota"


def test_quiet_host_with_much_room_asks_placement_every_five_minutes() -> None:
    host = ScaledHost(capacity=Size(64, 65536))
    host.round(20)
    before = _asked(host)
    host.round(240)
    assert _asked(host) - before <= 5, "of 20 minutes"
