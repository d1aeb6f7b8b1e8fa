# SPDX-License-Identifier: Apache-2.0
"""Who may adjust a server learns what its host has free; who may only read does not."""

from __future__ import annotations

import re

import pytest

from nova_xloud.core.autoscaling.arbitration import HostRoom, Pool, arbitrate
from nova_xloud.core.autoscaling.deferral import of_grant, of_refusal
from nova_xloud.core.instance.desired import Desired, replaced
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU, judged, refusal_of
from nova_xloud.errors import ClaimRefused, NoCapacity, Refused
from tests.unit.compute.rig import NOW, Rig
from tests.unit.core.autoscaling.contests import of_memory, of_vcpus

# A host with numbers that nothing else has.
ROOM = {
    VCPU: {"total": 17, "reserved": 0, "allocation_ratio": 1.0},
    MEMORY_MB: {"total": 7919, "reserved": 0, "allocation_ratio": 1.0},
}
UNITS = {"min_unit": 1, "max_unit": 13, "step_size": 1}
PLACEMENTS = "The requested amount would exceed the capacity: free is 7919 of 10007"


def of_the_host(text: str) -> list[str]:
    """The numbers of a text that only the host has."""
    return [one for one in re.findall(r"\d+", text) if one in ("13", "17", "7919", "10007")]


def refusals() -> list[Refused]:
    amounts = list(
        judged(
            {VCPU: 18, MEMORY_MB: 9000},
            {VCPU: 1, MEMORY_MB: 512},
            {name: one | UNITS for name, one in ROOM.items()},
            {VCPU: 1, MEMORY_MB: 512},
        )
    )
    return [
        refusal_of(words, some, is_release=is_release)
        for words, some in (("", amounts), (PLACEMENTS, amounts), (PLACEMENTS, []))
        for is_release in (False, True)
    ]


@pytest.mark.parametrize("refusal", refusals(), ids=range(6))
def test_only_the_message_of_a_refusal_has_what_is_free(refusal: Refused) -> None:
    assert of_the_host(refusal.message) != [], refusal.message
    assert of_the_host(refusal.recorded) == []
    assert of_the_host(of_refusal(refusal).message) == []


def test_any_other_refusal_is_recorded_as_it_is() -> None:
    assert Refused("why").recorded == "why"
    assert NoCapacity("why").recorded == "why"
    assert ClaimRefused("all of it", "a part").message == "all of it"


def test_what_is_recorded_of_a_run_has_nothing_of_what_is_free() -> None:
    rig = Rig(capacity=Size(17, 7919))
    rig.record.desired = Desired(Size(18, 3072), generation=1)
    with pytest.raises(NoCapacity, match="free 17"):
        rig.converge()
    assert rig.record.desired.progress.code == "xloud.no_capacity"
    written = replaced({}, rig.record.desired, "4:1024:flavor")
    assert of_the_host(written["xloud_phase_message"]) == []
    assert rig.claims.size == NOW


@pytest.mark.parametrize("others", [0, 1])
def test_deferred_growth_has_nothing_of_what_is_free(others: int) -> None:
    pools = (Pool(VCPU, 1 + 17, 1), Pool(MEMORY_MB, 512 + 7919, 512))
    for guest in (of_memory("a", 512, 90_000), of_vcpus("a", 1, 100)):
        rest = [of_memory("b", 512, 50_000)] * others
        for grant in arbitrate(HostRoom(pools), [guest, *rest]):
            deferral = of_grant(grant)
            assert deferral is not None
            assert of_the_host(deferral.message.partition("recommended: ")[2]) == []
