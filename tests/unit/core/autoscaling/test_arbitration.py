# SPDX-License-Identifier: Apache-2.0
"""Who gets and who gives on a full host: the tables."""

from __future__ import annotations

import pytest

from nova_xloud.core.autoscaling.arbitration import arbitrate, low_water, pace
from nova_xloud.core.autoscaling.contest import Claimant, Grant, HostRoom, Pool, Share
from nova_xloud.core.autoscaling.deferral import of_grant
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, PCPU, VCPU
from tests.unit.core.autoscaling.contests import of_memory, of_vcpus, room


def _memory(capacity: int, *guests: Claimant, reserve: int = 0, others: int = 0) -> list[Share]:
    """Arbitrate the memory of a host on which ``others`` MiB are allocated besides."""
    used = others + sum(guest.memory_mb.reserved for guest in guests)
    host = HostRoom((Pool(VCPU, 1000, 0), Pool(MEMORY_MB, capacity, used, reserve)))
    return [grant.memory_mb for grant in arbitrate(host, guests)]


def _vcpus(capacity: int, *guests: Claimant, others: int = 0) -> list[Share]:
    used = others + sum(guest.vcpus.reserved for guest in guests)
    host = HostRoom((Pool(VCPU, capacity, used), Pool(MEMORY_MB, 10**9, 0)))
    return [grant.vcpus for grant in arbitrate(host, guests)]


def _values(shares: list[Share]) -> list[int]:
    return [share.value for share in shares]


def _codes(shares: list[Share]) -> list[str]:
    return [share.code for share in shares]


def test_recommendations_are_granted_where_there_is_room() -> None:
    shares = _memory(
        100_000,
        of_memory("grows", 1024, 4096),
        of_memory("shrinks", 4096, 3840, floor=1024),
        of_memory("stays", 2048),
    )
    assert _values(shares) == [4096, 3840, 2048]
    assert _codes(shares) == ["grow", "shrink", "hold.enough"]


def test_both_resources_of_a_guest_are_in_one_grant() -> None:
    guest = of_memory("a", 1024, 4096)
    guest = guest.with_stake(VCPU, recommended=3)
    (grant,) = arbitrate(room(2, 100_000, used=(1, 1024)), [guest])
    assert grant.size == Size(2, 4096)
    assert grant.deferred == Size(1, 0)
    assert grant.code == "grow.partial"
    assert grant.reason == (
        "vCPUs: from 1 to 2 of 3 recommended: the host has too little free; "
        "memory: from 1024 to 4096 MiB: as recommended"
    )


def test_memory_that_a_shrinking_guest_still_holds_is_not_granted() -> None:
    giver = of_memory("gives", 8192, 7372, reserved=8192, held=8192, desired=7372, stalled=1.0)
    asker = of_memory("asks", 1024, 2048)
    kept, asked = _memory(8192 + 1024, giver, asker)
    assert (kept.value, kept.code) == (7372, "hold.moving")
    assert (asked.value, asked.code, asked.deferred) == (1024, "deferred.freeing", 1024)
    landed = of_memory("gives", 7372)
    assert _values(_memory(8192 + 1024, landed, asker)) == [7372, 1024 + 768]


@pytest.mark.parametrize(
    ("reserve", "granted", "code"),
    [(0, 2048, "grow"), (512, 1536, "grow.partial"), (1024, 1024, "deferred.host_full")],
)
def test_reserve_is_never_lent(reserve: int, granted: int, code: str) -> None:
    (share,) = _memory(9216, of_memory("a", 1024, 2048), others=7168, reserve=reserve)
    assert (share.value, share.code) == (granted, code)


def test_partial_grants_are_in_proportion_to_need_and_weight() -> None:
    shares = _memory(
        2048 + 1920,
        of_memory("a", 1024, 1024 + 4096, weight=100),
        of_memory("b", 1024, 1024 + 4096, weight=200),
    )
    assert _values(shares) == [1024 + 640, 1024 + 1280]
    shares = _memory(
        2048 + 1920,
        of_memory("a", 1024, 1024 + 4096),
        of_memory("b", 1024, 1024 + 2048),
    )
    assert _values(shares) == [1024 + 1280, 1024 + 640]


def test_partial_grants_of_vcpus_are_whole_steps() -> None:
    shares = _vcpus(
        40,
        of_vcpus("a", 2, 8, step=2, floor=2),
        of_vcpus("b", 2, 8, step=2, floor=2),
        others=29,
    )
    assert sorted(_values(shares)) == [4, 6]
    assert _codes(shares) == ["grow.partial", "grow.partial"]
    assert [share.deferred for share in shares] == [8 - value for value in _values(shares)]
    assert {share.why_deferred for share in shares} == {"deferred.host_full"}


def test_what_a_partial_grant_lacks_is_deferred_for_its_own_reason() -> None:
    # A quarter of the host may be granted in a round, and the host has room for all of it.
    (grant,) = arbitrate(room(64, 100_000, used=(2, 1024)), [of_vcpus("a", 2, 40)])
    assert grant.code == "grow.partial"
    deferral = of_grant(grant)
    assert deferral is not None
    assert deferral.code == "xloud.growth_deferred.pace"


def test_who_is_below_the_minimum_comes_first_then_who_is_in_distress() -> None:
    calm = of_memory("calm", 1024, 3072, weight=1000)
    urgent = of_memory("urgent", 1024, 3072, is_urgent=True, weight=1)
    below = of_memory("below", 512, 512, minimum=1024, weight=1)
    shares = _memory(2560 + 512 + 1024, calm, urgent, below)
    assert _values(shares) == [1024, 2048, 1024]


def test_who_has_waited_long_comes_before_who_weighs_more() -> None:
    heavy = of_vcpus("heavy", 1, 2, weight=1000)
    assert _values(_vcpus(3, heavy, of_vcpus("light", 1, 2, weight=1))) == [2, 1]
    light = of_vcpus("light", 1, 2, weight=1, waited=1300.0)
    assert _values(_vcpus(3, heavy, light)) == [1, 2]
    for waited, values in ((470.0, [2, 1]), (490.0, [1, 2])):
        lighter = of_vcpus("lighter", 1, 2, weight=60, waited=waited)
        assert _values(_vcpus(3, heavy, lighter)) == values


def test_who_is_idle_gives_when_the_host_is_full() -> None:
    shares = _memory(
        11_000,
        of_memory("idle", 8192, floor=2048),
        of_memory("asks", 1024, 2048),
        others=11_000 - 9216,
    )
    assert _values(shares) == [8192 - 819 - (8192 - 819) % 64, 1024]
    assert _codes(shares) == ["shrink.host_full", "deferred.freeing"]


@pytest.mark.parametrize(
    ("other", "gives"),
    [
        ({"floor": 7000}, "a"),
        ({"floor": 1000}, "b"),
        ({"floor": 2048, "weight": 200}, "a"),
        ({"floor": 2048, "weight": 50}, "b"),
        ({"floor": 1000, "held_by_person": 8192}, "a"),
        ({"floor": 1000, "minimum": 8192}, "a"),
        ({"floor": 1000, "is_urgent": True}, "a"),
        ({"floor": 1000, "blocked": "hugepages"}, "a"),
        ({"floor": 1000, "gives": False}, "a"),
        ({"floor": 8129}, "a"),
        ({"floor": 1000, "stalled": 9.0, "held": 8300}, "a"),
    ],
)
def test_who_gives_first(other: dict[str, object], gives: str) -> None:
    guests = (
        of_memory("a", 8192, floor=2048),
        of_memory("b", 8192, **other),
        of_memory("asks", 1024, 1088),
    )
    # The host has exactly its low-water mark free, so that 64 MiB of one guest are enough.
    beyond = sum(guest.memory_mb.owned - guest.memory_mb.reserved for guest in guests)
    host = HostRoom((Pool(VCPU, 99, 0), Pool(MEMORY_MB, 100_000, 90_000 - beyond)))
    grants = arbitrate(host, guests)
    assert [g.uuid for g in grants if g.memory_mb.code == "shrink.low_water"] == [gives]
    assert grants[2].memory_mb.code == "grow"


def test_low_water_mark_starts_shrinks_though_nobody_asks() -> None:
    idle = of_memory("idle", 8192, floor=2048)
    (share,) = _memory(100_000, idle, others=100_000 - 8192 - 9_990)
    assert (share.value, share.code) == (8128, "shrink.low_water")
    (share,) = _memory(100_000, idle, others=100_000 - 8192 - 10_000)
    assert (share.value, share.code) == (8192, "hold.enough")


def test_stuck_guest_counts_with_what_it_holds_and_others_give_instead() -> None:
    asker = of_memory("asks", 1024, 1792)
    idle = of_memory("idle", 16_384, floor=2048)
    used = 8192 + 16_384 + 1024
    moving = of_memory("slow", 8192, 4096, desired=4096, floor=2048, stalled=4.9)
    stuck = of_memory("slow", 8192, 4096, desired=4096, floor=2048, stalled=5.0)
    assert _values(_memory(used, moving, asker, idle)) == [4096, 1024, 16_384]
    slow, asked, gives = _memory(used, stuck, asker, idle)
    assert (slow.value, slow.code) == (4096, "hold.stuck")
    assert asked.value == 1024
    assert gives.value < 16_384


def test_shrink_that_turns_out_wrong_is_taken_back_without_free_room() -> None:
    for stalled in (1.0, 60.0):
        guest = of_memory("a", 4096, 4000, desired=3072, stalled=stalled, is_urgent=True)
        (share,) = _memory(4096, guest)
        assert (share.value, share.code) == (4000, "grow")


def test_guest_that_does_not_take_what_it_has_got_is_given_no_more() -> None:
    guest = of_memory("a", 1024, 4096, reserved=2048, desired=2048, stalled=6.0)
    (share,) = _memory(100_000, guest)
    assert (share.value, share.code, share.deferred) == (2048, "deferred.stuck", 2048)


def test_guest_on_its_way_grows_further_and_does_not_shrink_further() -> None:
    growing = of_memory("a", 1024, 4096, reserved=2048, desired=2048, stalled=1.0)
    shrinking = of_memory("b", 4096, 2048, desired=3072, floor=1024, stalled=1.0)
    shares = _memory(100_000, growing, shrinking)
    assert _values(shares) == [4096, 3072]
    assert _codes(shares) == ["grow", "hold.moving"]


@pytest.mark.parametrize(
    "changes", [{"minimum": 3072}, {"floor": 3072}, {"held_by_person": 3072, "floor": 1024}]
)
def test_recommended_shrink_ends_at_what_is_kept(changes: dict[str, int]) -> None:
    (share,) = _memory(100_000, of_memory("a", 4096, 1024, **{"floor": 1024} | changes))
    assert (share.value, share.code) == (3072, "shrink")


def test_lowest_value_is_rounded_up_to_the_step() -> None:
    (share,) = _vcpus(100, of_vcpus("a", 8, 4, step=4, floor=5))
    assert (share.value, share.code) == (8, "hold.floor")


def test_blocked_resource_stays_as_it_is() -> None:
    (share,) = _memory(100_000, of_memory("a", 1024, 4096, blocked="hugepages"))
    assert (share.value, share.code, share.deferred) == (1024, "hold.blocked", 0)
    assert "hugepages" in share.reason


def test_what_is_held_beyond_the_claim_is_not_free() -> None:
    taker = of_memory("takes", 2048, reserved=1024, desired=1024, held=2048)
    asker = of_memory("asks", 1024, 2048)
    assert _values(_memory(3072, taker, asker))[1] == 1024
    assert _values(_memory(4096, taker, asker))[1] == 2048


def test_growth_of_all_together_is_bounded_in_a_round() -> None:
    liars = [of_memory(f"liar{n}", 1024, 65_536) for n in range(10)]
    shares = _memory(400_000, *liars)
    assert sum(share.value - 1024 for share in shares) <= 100_000
    assert sum(share.value - 1024 for share in shares) > 100_000 - 640
    assert {share.code for share in shares} == {"grow.partial"}


def test_nobody_is_asked_to_give_for_growth_that_only_has_to_wait() -> None:
    idle = of_memory("idle", 8192, floor=2048)
    shares = _memory(400_000, idle, of_memory("liar", 1024, 300_000, largest=300_000))
    assert shares[0].code == "hold.enough"


def test_room_is_kept_for_a_large_step_that_has_waited() -> None:
    small = of_vcpus("small", 1, 9)
    large = of_vcpus("large", 4, 8, step=4)
    assert _values(_vcpus(7, large, small)) == [4, 3]
    large = of_vcpus("large", 4, 8, step=4, waited=900.0)
    idle = of_vcpus("idle", 4, floor=1)
    shares = _vcpus(11, large, small, idle)
    assert _values(shares) == [4, 1, 3]
    assert _codes(shares)[1] == "deferred.kept"


def test_nothing_is_kept_for_a_step_that_can_never_fit() -> None:
    large = of_vcpus("large", 4, 8, step=4, waited=900.0)
    assert _values(_vcpus(7, large, of_vcpus("small", 1, 9))) == [4, 3]


def test_nobody_gives_for_a_step_that_can_never_fit() -> None:
    large = of_vcpus("large", 8, 16, step=8)
    idle = of_vcpus("idle", 4, floor=1)
    host = 12 + low_water(Pool(VCPU, 14, 0))
    shares = _vcpus(host, large, idle)
    assert _codes(shares)[1] == "hold.enough"


def test_dedicated_vcpus_are_of_another_pool() -> None:
    host = HostRoom((Pool(VCPU, 100, 1), Pool(PCPU, 3, 2), Pool(MEMORY_MB, 10**6, 0)))
    guests = [of_vcpus("shared", 1, 4), of_vcpus("pinned", 2, 4, cpu_class=PCPU)]
    assert [grant.vcpus.value for grant in arbitrate(host, guests)] == [4, 3]


def test_dedicated_vcpus_are_of_vcpu_on_a_host_without_an_inventory_of_pcpu() -> None:
    guests = [of_vcpus("shared", 1, 4), of_vcpus("pinned", 2, 4, cpu_class=PCPU)]
    assert sum(grant.vcpus.value for grant in arbitrate(room(7, used=(3, 0)), guests)) == 7


def test_host_without_an_inventory_grants_nothing() -> None:
    (grant,) = arbitrate(HostRoom(()), [of_memory("a", 1024, 2048)])
    assert grant.size == Size(1, 1024)
    assert grant.code == "deferred.host_full"


def test_host_that_is_oversold_grants_nothing() -> None:
    (share,) = _memory(4096, of_memory("a", 1024, 2048), others=9000)
    assert (share.value, share.deferred) == (1024, 1024)


@pytest.mark.parametrize(
    ("capacity", "mark"), [(100_000, 10_000), (10_000, 2048), (4096, 1024), (0, 0)]
)
def test_low_water_mark_of_memory(capacity: int, mark: int) -> None:
    assert low_water(Pool(MEMORY_MB, capacity, 0)) == mark


@pytest.mark.parametrize(("capacity", "most"), [(64, 16), (4, 4)])
def test_pace_of_vcpus(capacity: int, most: int) -> None:
    assert pace(Pool(VCPU, capacity, 0)) == most


def test_no_guests_no_grants() -> None:
    assert arbitrate(room(), []) == ()


def test_grant_names_the_resource_that_is_deferred() -> None:
    grant = Grant(
        "a", Share(1, "deferred.pace", "stays", 1, "deferred.pace"), Share(2, "grow", "from 1 to 2")
    )
    assert grant.code == "deferred.pace"
