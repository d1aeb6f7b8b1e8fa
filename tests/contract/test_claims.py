# SPDX-License-Identifier: Apache-2.0
"""The contract of the Claims port: the fake, and the Placement of each supported release."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from nova_xloud.compute.ports import ClaimConflict
from nova_xloud.core.size import Size
from nova_xloud.errors import ClaimRefused, NoCapacity, PlacementUnavailable
from tests.contract import placement_rigs as rigs
from tests.contract.placement_rigs import CAPACITY, HELD, Provider

FAKES = ("fake", "fake-before-14.0")


@pytest.fixture(scope="module", params=[*FAKES, *rigs.versions()])
def placement(request: pytest.FixtureRequest) -> Iterator[rigs.RunningPlacement | str]:
    if request.param in FAKES:
        yield request.param
        return
    if os.environ.get("NOVA_XLOUD_PLACEMENT") == "0":
        pytest.skip("NOVA_XLOUD_PLACEMENT=0: no real Placement")
    if rigs.is_too_new(request.param):
        pytest.skip("of a later release than the libraries of this environment")
    with rigs.running(request.param) as made:
        yield made


@pytest.fixture
def provider(placement: rigs.RunningPlacement | str) -> Provider:
    if isinstance(placement, str):
        return rigs.FakeProvider(refuses_when_overfull=placement == "fake-before-14.0")
    return rigs.RealProvider(placement)


def _write(provider: Provider, size: Size) -> Size:
    return provider.claims.write(provider.claims.read(), size).size


def _kept(provider: Provider, size: Size = HELD) -> None:
    assert provider.claims.read().size == size


def test_there_is_one_for_each_release() -> None:
    assert len(rigs.versions()) >= 6


@pytest.mark.parametrize("size", [Size(8, 4096), Size(1, 512), Size(8, 512), HELD])
def test_a_write_is_read_back_and_can_be_followed_by_another(
    provider: Provider, size: Size
) -> None:
    written = provider.claims.write(provider.claims.read(), size)
    _kept(provider, size)
    assert provider.claims.write(written, Size(2, 1024)).size == Size(2, 1024)
    _kept(provider, Size(2, 1024))


def test_a_write_after_somebody_elses_conflicts(provider: Provider) -> None:
    read = provider.claims.read()
    provider.somebody_else_writes(Size(3, 2048))
    with pytest.raises(ClaimConflict):
        provider.claims.write(read, Size(5, 2048))
    _kept(provider, Size(3, 2048))
    assert _write(provider, Size(5, 2048)) == Size(5, 2048)


@pytest.mark.parametrize(
    ("size", "said"),
    [(Size(9, 2048), "VCPU: asked 9, free 8"), (Size(4, 4097), "MEMORY_MB: asked 4097, free 4096")],
)
def test_no_room_names_what_was_asked_and_is_free(
    provider: Provider, size: Size, said: str
) -> None:
    provider.has(CAPACITY, max_unit=Size(100, 100_000))
    for call in (provider.claims.check, provider.claims.write):
        with pytest.raises(NoCapacity, match=said):
            call(provider.claims.read(), size)
    _kept(provider)


def test_a_check_writes_nothing(provider: Provider) -> None:
    provider.claims.check(provider.claims.read(), CAPACITY)
    _kept(provider)


def test_what_is_over_max_unit_is_refused_with_that(provider: Provider) -> None:
    provider.has(CAPACITY, max_unit=Size(5, 4096))
    for call in (provider.claims.check, provider.claims.write):
        with pytest.raises(NoCapacity, match=r"VCPU: asked 6, free 8 \(its max_unit is 5"):
            call(provider.claims.read(), Size(6, 2048))
    assert _write(provider, Size(5, 2048)) == Size(5, 2048)


def test_what_is_no_multiple_of_the_step_is_refused_with_that(provider: Provider) -> None:
    provider.has(CAPACITY, vcpu_step=2)
    with pytest.raises(NoCapacity, match=r"VCPU: asked 5, .*step_size is 2"):
        _write(provider, Size(5, 2048))
    with pytest.raises(ClaimRefused, match=r"VCPU: asked 3, .*step_size is 2"):
        _write(provider, Size(3, 2048))
    assert _write(provider, Size(2, 2048)) == Size(2, 2048)


def test_a_release_above_max_unit_is_no_lack_of_room(provider: Provider) -> None:
    provider.has(CAPACITY, max_unit=Size(2, 4096))
    with pytest.raises(ClaimRefused, match=r"stays reserved: VCPU: asked 3, .*max_unit is 2"):
        _write(provider, Size(3, 2048))
    _kept(provider)
    assert _write(provider, Size(2, 2048)) == Size(2, 2048)


def test_a_release_of_another_class_is_refused_while_one_is_above_max_unit(
    provider: Provider,
) -> None:
    provider.has(CAPACITY, max_unit=Size(8, 1024))
    with pytest.raises(ClaimRefused, match=r"MEMORY_MB: asked 2048, .*max_unit is 1024"):
        _write(provider, Size(2, 2048))
    _kept(provider)


def test_a_release_of_a_class_without_inventory_is_refused(provider: Provider) -> None:
    provider.loses_vcpus()
    with pytest.raises(ClaimRefused, match="the host has no inventory"):
        _write(provider, Size(2, 2048))
    _kept(provider)


def test_growth_into_a_class_without_inventory_has_no_room(provider: Provider) -> None:
    provider.loses_vcpus()
    for call in (provider.claims.check, provider.claims.write):
        with pytest.raises(NoCapacity, match="the host has no inventory of it"):
            call(provider.claims.read(), Size(5, 2048))
    _kept(provider)


@pytest.mark.parametrize(("total", "name"), [(Size(2, 4096), "VCPU"), (Size(8, 1024), "MEMORY_MB")])
def test_a_host_that_is_more_than_full_lets_go_since_14_0(
    provider: Provider, total: Size, name: str
) -> None:
    provider.has(total, max_unit=CAPACITY)
    less = Size(3, 1536)
    if not provider.refuses_when_overfull:
        assert _write(provider, less) == less
        return
    with pytest.raises(ClaimRefused, match=f"{name}: .*more than full.*14.0"):
        _write(provider, less)
    _kept(provider)
    # What brings the host below its capacity is taken by every Placement.
    assert _write(provider, Size(2, 1024)) == Size(2, 1024)


def test_overfull_class_does_not_block_releasing_the_other_since_14_0(
    provider: Provider,
) -> None:
    provider.has(Size(8, 1024), max_unit=CAPACITY)
    less = Size(2, 2048)
    if not provider.refuses_when_overfull:
        assert _write(provider, less) == less
        return
    with pytest.raises(ClaimRefused, match=r"MEMORY_MB: .*more than full"):
        _write(provider, less)
    _kept(provider)


def test_a_host_that_is_more_than_full_takes_no_more(provider: Provider) -> None:
    provider.has(Size(2, 4096), max_unit=CAPACITY)
    for call in (provider.claims.check, provider.claims.write):
        with pytest.raises(NoCapacity, match="VCPU: asked 5, free 2"):
            call(provider.claims.read(), Size(5, 2048))
    _kept(provider)


def test_a_placement_that_does_not_answer_is_away() -> None:
    with rigs.running(rigs.own_version()) as placement:
        provider = rigs.RealProvider(placement)
        read = provider.claims.read()
    for call in (
        provider.claims.read,
        lambda: provider.claims.check(read, HELD),
        lambda: provider.claims.write(read, CAPACITY),
    ):
        with pytest.raises(PlacementUnavailable):
            call()
