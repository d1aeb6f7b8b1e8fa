# SPDX-License-Identifier: Apache-2.0
"""The Claims port over Nova's Placement client: what each of Placement's answers becomes."""

from types import SimpleNamespace
from unittest import mock

import pytest
from keystoneauth1 import exceptions as ks_exc

from nova_xloud.compute.bridges.placement import PlacementClaims
from nova_xloud.compute.ports import ClaimConflict
from nova_xloud.core.envelope import FlavorFacts
from nova_xloud.core.size import Size
from nova_xloud.errors import NoAllocation, NoCapacity, PlacementUnavailable

HERE, ELSEWHERE = "provider-here", "provider-elsewhere"


def _claims(answer, holder=HERE):
    held = {"resources": {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}, "generation": 7}
    client = mock.Mock()
    client.get_allocs_for_consumer.return_value = {
        "allocations": {holder: held},
        "consumer_generation": 3,
        "project_id": "p",
        "user_id": "u",
    }
    client._put_allocations.side_effect = [answer]
    client.get.side_effect = ks_exc.ConnectFailure("gone meanwhile")
    facts = FlavorFacts(Size(4, 1024))
    return PlacementClaims(client, mock.Mock(), "consumer", HERE, facts), client


def _answer(status, text=""):
    return SimpleNamespace(status_code=status, text=text)


def test_only_cpu_and_memory_of_this_host_are_changed():
    claims, client = _claims(_answer(204))
    after = claims.write(claims.read(), Size(3, 768))
    (_, _, sent), _ = client._put_allocations.call_args
    assert sent["allocations"] == {HERE: {"resources": {"VCPU": 3, "MEMORY_MB": 768, "DISK_GB": 1}}}
    assert (after.size, after.body["consumer_generation"]) == (Size(3, 768), 4)


def test_an_allocation_that_has_left_the_host_is_not_put_back():
    claims, client = _claims(_answer(204), holder=ELSEWHERE)
    with pytest.raises(NoAllocation, match="is being moved"):
        claims.write(claims.read(), Size(3, 768))
    client._put_allocations.assert_not_called()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_answer(409, '{"errors": [{"code": "placement.concurrent_update"}]}'), ClaimConflict),
        # That nobody can say how much room there is does not hide that there is too little.
        (_answer(409, "Unable to allocate inventory"), NoCapacity),
        (_answer(503, "down"), PlacementUnavailable),
        (_answer(400, "bad"), PlacementUnavailable),
        (ks_exc.ConnectFailure("away"), PlacementUnavailable),
    ],
    ids=["conflict", "full", "ill", "refused", "away"],
)
def test_answers_that_change_nothing(answer, error):
    claims, _ = _claims(answer)
    with pytest.raises(error):
        claims.write(claims.read(), Size(3, 768))
