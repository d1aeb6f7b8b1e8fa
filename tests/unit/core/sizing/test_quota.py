# SPDX-License-Identifier: Apache-2.0
"""What a size counts for, what an adjustment adds, and the refusal with its numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import allocated_size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.core.sizing.quota import Demand, Excess, class_amounts, legacy_amounts, refusal

MAXIMUM = Size(8, 4096)
SHARED = FlavorFacts(MAXIMUM)
DEDICATED = FlavorFacts(MAXIMUM, dedicated_vcpus=8)
ISOLATED = FlavorFacts(MAXIMUM, dedicated_vcpus=8, isolated_emulator=True)
MIXED = FlavorFacts(MAXIMUM, dedicated_vcpus=2)
FIXED = FlavorFacts(MAXIMUM, {"resources:VCPU": "1"})
ALL_FIXED = FlavorFacts(MAXIMUM, {"resources:VCPU": "1", "resources:MEMORY_MB": "64"})


def test_by_cores_and_ram() -> None:
    assert legacy_amounts(Size(3, 768)) == {"cores": 3, "ram": 768}


@pytest.mark.parametrize(
    ("facts", "pcpu_as_vcpu", "cpus"),
    [
        (SHARED, False, {"class:VCPU": 3}),
        (SHARED, True, {"class:VCPU": 3}),
        (DEDICATED, False, {"class:PCPU": 3}),
        (DEDICATED, True, {"class:VCPU": 3}),
        (ISOLATED, False, {"class:PCPU": 4}),
        (MIXED, False, {"class:VCPU": 1, "class:PCPU": 2}),
        (MIXED, True, {"class:VCPU": 3}),
        (FIXED, False, {}),
    ],
)
def test_by_resource_class(facts: FlavorFacts, pcpu_as_vcpu: bool, cpus: dict[str, int]) -> None:
    amounts = class_amounts(Size(3, 768), facts, pcpu_as_vcpu=pcpu_as_vcpu)
    assert amounts == {**cpus, "class:MEMORY_MB": 768}


def test_what_the_flavor_fixes_counts_as_no_size() -> None:
    assert class_amounts(Size(3, 768), ALL_FIXED) == {}


@pytest.mark.parametrize(
    ("held", "wanted", "more"),
    [
        (Size(1, 512), Size(3, 768), {"cores": 2, "ram": 256}),
        (Size(1, 512), Size(3, 512), {"cores": 2}),
        (Size(3, 512), Size(1, 768), {"ram": 256}),
        (Size(3, 768), Size(3, 768), {}),
        (Size(3, 768), Size(1, 512), {}),
        (Size(0, 0), Size(1, 512), {"cores": 1, "ram": 512}),
    ],
)
def test_only_what_grows_is_asked_for(held: Size, wanted: Size, more: dict[str, int]) -> None:
    before, after = legacy_amounts(held), legacy_amounts(wanted)
    demand = Demand.of(before, before, after)
    assert demand == Demand(more, more)
    assert demand.deltas(is_held=False) == more
    assert demand.deltas(is_held=True) == dict.fromkeys(more, 0)


def test_what_another_request_has_reserved_is_not_added_once_more() -> None:
    sizes = (Size(1, 512), Size(2, 768), Size(3, 768))
    demand = Demand.of(*map(legacy_amounts, sizes))
    assert demand.asked == {"cores": 2, "ram": 256}
    assert demand.deltas(is_held=False) == {"cores": 1, "ram": 0}
    assert demand.deltas(is_held=True) == {"cores": 0, "ram": 0}


def test_the_isolated_emulator_is_no_growth() -> None:
    before, after = (class_amounts(size, ISOLATED) for size in (Size(2, 512), Size(3, 512)))
    assert Demand.of(before, before, after).asked == {"class:PCPU": 1}


SIZES = st.builds(Size, st.integers(2, 8), st.integers(1, 4096))


@given(SIZES, st.sampled_from([SHARED, DEDICATED, ISOLATED, MIXED]))
def test_what_is_counted_is_what_placement_holds(size: Size, facts: FlavorFacts) -> None:
    counted = {
        name.removeprefix("class:"): amount for name, amount in class_amounts(size, facts).items()
    }
    assert allocated_size(counted, facts) == size


@given(SIZES, SIZES, st.sampled_from([SHARED, DEDICATED, ISOLATED, MIXED]), st.booleans())
def test_what_grows_covers_what_is_wanted(
    held: Size, wanted: Size, facts: FlavorFacts, as_vcpu: bool
) -> None:
    before, after = (class_amounts(s, facts, pcpu_as_vcpu=as_vcpu) for s in (held, wanted))
    more = Demand.of(before, before, after).asked
    assert all(amount > 0 for amount in more.values())
    assert all(before.get(n, 0) + more.get(n, 0) >= amount for n, amount in after.items())


def test_a_refusal_has_the_numbers_and_the_way_out() -> None:
    told = refusal([Excess("cores", 2, 7, 8), Excess("ram", 512, 1024, 1280)], "project")
    assert (told.reason_code, told.status) == ("xloud.quota", 403)
    assert "server's project" in told.message
    assert "cores: asked 2 more, used 7, allowed 8" in told.message
    assert "ram: asked 512 more, used 1024, allowed 1280" in told.message
    assert "have the quota raised" in told.message
