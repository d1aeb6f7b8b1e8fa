# SPDX-License-Identifier: Apache-2.0
"""What holds of arbitration for any host and any guests."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.arbitration import arbitrate, low_water, pace
from nova_xloud.core.autoscaling.contest import Claimant, HostRoom, Pool, Share, Stake
from nova_xloud.core.sizing.allocation import MEMORY_MB, PCPU, VCPU
from tests.unit.core.autoscaling.contests import stake

CLASSES = (VCPU, PCPU, MEMORY_MB)
weights = st.sampled_from((1, 50, 100, 100, 200, 1000))
waits = st.sampled_from((0.0, 30.0, 90.0, 700.0, 5000.0))


@st.composite
def stakes(draw: st.DrawFn, unit: int) -> Stake:
    """A stake in whole units: 1 vCPU or 64 MiB, in any state that the engine can leave it in."""
    step = draw(st.sampled_from((1, 1, 1, 2, 4)))
    minimum = step * draw(st.integers(1, 4))
    largest = minimum + step * draw(st.integers(0, 12))
    sizes = st.integers(minimum // step, largest // step).map(lambda n: n * step)
    desired, moving = draw(sizes), draw(st.booleans())
    held = draw(sizes) if moving else desired
    reserved = max(desired, held) + draw(st.sampled_from((0, 0, 0, step)))
    if draw(st.integers(0, 9)) == 0:
        reserved = max(1, reserved - step)
    return Stake(
        reserved=unit * reserved,
        held=unit * held,
        desired=unit * desired,
        recommended=unit * draw(sizes),
        minimum=unit * minimum,
        floor=unit * draw(st.integers(0, largest)),
        largest=unit * largest,
        step=unit * step,
        held_by_person=unit * draw(st.sampled_from((0, 0, desired))),
        blocked=draw(st.sampled_from(("", "", "", "hugepages"))),
        stalled=draw(st.sampled_from((0.0, 4.0, 5.0, 60.0))) if moving else None,
        waited=draw(waits),
    )


@st.composite
def contests(draw: st.DrawFn) -> tuple[HostRoom, list[Claimant]]:
    """A host with guests; more or less full."""
    guests = [
        Claimant(
            f"guest{n}",
            draw(stakes(1)),
            draw(stakes(64)),
            weight=draw(weights),
            is_urgent=draw(st.booleans()),
            cpu_class=draw(st.sampled_from((VCPU, VCPU, PCPU))),
        )
        for n in range(draw(st.integers(1, 7)))
    ]
    pools = []
    for name in CLASSES:
        unit = 64 if name == MEMORY_MB else 1
        mine = [one for guest in guests if (one := guest.stake(name))]
        used = sum(one.reserved for one in mine) + unit * draw(st.integers(0, 40))
        free = unit * draw(st.sampled_from((-4, 0, 1, 2, 3, 7, 15, 40, 400)))
        reserve = unit * draw(st.sampled_from((0, 0, 4)))
        pools.append(Pool(name, max(0, used + free), used, reserve))
    return HostRoom(tuple(pools)), guests


def _pairs(
    host: HostRoom, guests: list[Claimant]
) -> list[tuple[Pool, list[tuple[Claimant, Stake, Share]]]]:
    """By pool: the guests with their stakes and what was decided."""
    grants = {grant.uuid: grant for grant in arbitrate(host, guests)}
    pairs = []
    for name in CLASSES:
        rows = []
        for guest in guests:
            one = guest.stake(name)
            if one is not None:
                grant = grants[guest.uuid]
                share = grant.memory_mb if name == MEMORY_MB else grant.vcpus
                rows.append((guest, one, share))
        pairs.append((host.pool(name), rows))
    return pairs


def _free(pool: Pool, taken: list[Stake]) -> int:
    beyond = sum(max(one.reserved, one.held, one.desired) - one.reserved for one in taken)
    return pool.capacity - pool.reserve - pool.allocated - beyond


@given(contests())
def test_host_is_never_oversold(contest: tuple[HostRoom, list[Claimant]]) -> None:
    for pool, rows in _pairs(*contest):
        free = _free(pool, [one for _, one, _ in rows])
        more = sum(max(0, share.value - one.owned) for _, one, share in rows)
        assert more <= max(0, free)


@given(contests())
def test_growth_of_a_round_is_bounded(contest: tuple[HostRoom, list[Claimant]]) -> None:
    for pool, rows in _pairs(*contest):
        grown = [max(0, share.value - one.owned) for _, one, share in rows]
        one_step = max((one.step for _, one, _ in rows), default=0)
        assert sum(grown) <= max(pace(pool), one_step)


@given(contests())
def test_minimums_floors_and_sizes_of_persons_are_kept(
    contest: tuple[HostRoom, list[Claimant]],
) -> None:
    for _, rows in _pairs(*contest):
        for _, one, share in rows:
            if share.value < one.desired:
                assert share.value >= max(one.minimum, one.floor, one.held_by_person)
                assert not one.blocked
                assert not one.is_moving


@given(contests())
def test_nobody_gets_more_than_is_recommended(contest: tuple[HostRoom, list[Claimant]]) -> None:
    for _, rows in _pairs(*contest):
        for _, one, share in rows:
            assert share.value <= max(one.desired, one.minimum, min(one.recommended, one.largest))


@given(contests())
def test_values_can_be_set(contest: tuple[HostRoom, list[Claimant]]) -> None:
    for _, rows in _pairs(*contest):
        for _, one, share in rows:
            ends = (one.minimum, one.largest, one.recommended, one.desired)
            assert share.value % one.step == 0 or share.value in ends


@given(contests())
def test_what_is_not_granted_is_deferred(contest: tuple[HostRoom, list[Claimant]]) -> None:
    for _, rows in _pairs(*contest):
        for _, one, share in rows:
            wanted = min(max(one.recommended, one.minimum), one.largest)
            if one.blocked or wanted <= one.desired:
                assert share.deferred == 0
            else:
                assert share.value + share.deferred == wanted
            assert ("deferred" in share.code or share.code == "grow.partial") == (
                share.deferred > 0
            )
            assert share.why_deferred.startswith("deferred.") == (share.deferred > 0)


@given(contests())
def test_what_is_owned_already_is_always_granted(
    contest: tuple[HostRoom, list[Claimant]],
) -> None:
    for _, rows in _pairs(*contest):
        for _, one, share in rows:
            if not one.blocked and one.desired < one.recommended <= one.owned:
                assert share.value >= one.recommended


@given(contests(), st.randoms())
def test_order_of_the_guests_does_not_matter(contest, random) -> None:
    host, guests = contest
    other = list(guests)
    random.shuffle(other)
    by_uuid = {grant.uuid: grant for grant in arbitrate(host, guests)}
    assert {grant.uuid: grant for grant in arbitrate(host, other)} == by_uuid


@given(contests())
def test_stuck_guest_is_as_if_it_were_not_there(contest: tuple[HostRoom, list[Claimant]]) -> None:
    """What others get is the same if all that it holds belonged to somebody else."""
    host, guests = contest
    stuck = replace(
        guests[0],
        vcpus=replace(guests[0].vcpus, stalled=5.0, blocked=""),
        memory_mb=replace(guests[0].memory_mb, stalled=5.0, blocked=""),
    )
    # What it gave before it got stuck is about to be free; here it gave nothing.
    for name in (stuck.cpu_class, MEMORY_MB):
        one = stuck.stake(name)
        assert one is not None
        stuck = stuck.with_stake(name, held=max(one.held, one.reserved))
    first, *others = arbitrate(host, [stuck, *guests[1:]])
    pools = []
    for pool in host.pools:
        one = stuck.stake(pool.name)
        more = one.owned - one.reserved if one else 0
        pools.append(replace(pool, allocated=pool.allocated + more))
    alone = arbitrate(HostRoom(tuple(pools)), guests[1:])
    assert [grant.size for grant in others] == [grant.size for grant in alone]
    assert first.size.covers(stuck.desired)
    assert stuck.vcpus.owned >= first.size.vcpus
    assert stuck.memory_mb.owned >= first.size.memory_mb


@given(contests())
def test_nobody_gives_for_others_without_a_need(
    contest: tuple[HostRoom, list[Claimant]],
) -> None:
    for pool, rows in _pairs(*contest):
        wishes = sum(max(0, min(o.recommended, o.largest) - o.owned) for _, o, _ in rows)
        below = sum(max(0, o.minimum - o.owned) for _, o, _ in rows)
        free = _free(pool, [one for _, one, _ in rows])
        if free >= wishes + below + low_water(pool):
            assert not any(s.code in ("shrink.host_full", "shrink.low_water") for *_, s in rows)


askers = st.lists(
    st.tuples(st.integers(1, 20), weights, waits, st.booleans()), min_size=2, max_size=6
)


def _asking(asks: list[tuple[int, int, float, bool]]) -> list[Claimant]:
    return [
        Claimant(f"g{n}", stake(2, 2 + more, waited=waited), stake(64), weight, urgent)
        for n, (more, weight, waited, urgent) in enumerate(asks)
    ]


@given(askers, st.integers(0, 40), st.sampled_from((2, 3, 10)))
def test_more_weight_never_gets_less(asks, free: int, factor: int) -> None:
    used = 2 * len(asks)
    host = HostRoom((Pool(VCPU, used + free + 1000, used + 1000), Pool(MEMORY_MB, 10**6, 0)))
    guests = _asking(asks)
    before = arbitrate(host, guests)[0].vcpus.value
    heavier = replace(guests[0], weight=guests[0].weight * factor)
    assert arbitrate(host, [heavier, *guests[1:]])[0].vcpus.value >= before


@given(askers, st.integers(0, 40))
def test_waiting_longer_never_gets_less(asks, free: int) -> None:
    used = 2 * len(asks)
    host = HostRoom((Pool(VCPU, used + free + 1000, used + 1000), Pool(MEMORY_MB, 10**6, 0)))
    guests = _asking(asks)
    before = arbitrate(host, guests)[0].vcpus.value
    longer = guests[0].with_stake(VCPU, waited=guests[0].vcpus.waited + 300)
    assert arbitrate(host, [longer, *guests[1:]])[0].vcpus.value >= before


@given(askers, st.integers(0, 40))
def test_all_that_is_free_is_given_where_somebody_asks(asks, free: int) -> None:
    used = 2 * len(asks)
    host = HostRoom((Pool(VCPU, used + free + 1000, used + 1000), Pool(MEMORY_MB, 10**6, 0)))
    grants = arbitrate(host, _asking(asks))
    given_ = sum(grant.vcpus.value - 2 for grant in grants)
    assert given_ == min(free, sum(more for more, *_ in asks))


@given(contests())
def test_growth_that_was_claimed_is_not_granted_twice(
    contest: tuple[HostRoom, list[Claimant]],
) -> None:
    host, guests = contest
    grants = {grant.uuid: grant for grant in arbitrate(host, guests)}
    claimed, pools = [], []
    for guest in guests:
        for name in (guest.cpu_class, MEMORY_MB):
            one = guest.stake(name)
            assert one is not None
            share = grants[guest.uuid].memory_mb if name == MEMORY_MB else grants[guest.uuid].vcpus
            if share.value > one.desired:
                more = max(one.reserved, share.value)
                guest = guest.with_stake(name, desired=share.value, reserved=more, stalled=0.0)
        claimed.append(guest)
    for pool in host.pools:
        now = sum(one.reserved for guest in claimed if (one := guest.stake(pool.name)))
        before = sum(one.reserved for guest in guests if (one := guest.stake(pool.name)))
        pools.append(replace(pool, allocated=pool.allocated + now - before))
    for pool, rows in _pairs(HostRoom(tuple(pools)), claimed):
        more = sum(max(0, share.value - one.owned) for _, one, share in rows)
        assert more <= max(0, _free(pool, [one for _, one, _ in rows]))
        for _, one, share in rows:
            if one.desired >= one.recommended and one.desired >= one.minimum:
                assert share.value <= one.desired


@given(contests())
def test_want_of_memory_does_not_change_who_gets_vcpus(
    contest: tuple[HostRoom, list[Claimant]],
) -> None:
    host, guests = contest
    calm = [replace(guest, is_urgent=False) for guest in guests]
    assert [grant.vcpus for grant in arbitrate(host, guests)] == [
        grant.vcpus for grant in arbitrate(host, calm)
    ]
