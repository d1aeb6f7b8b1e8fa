# SPDX-License-Identifier: Apache-2.0
"""The Claims port over Nova's Placement client: what each of Placement's answers becomes."""

import json
from types import SimpleNamespace
from unittest import mock

import pytest
from keystoneauth1 import exceptions as ks_exc

from nova_xloud.adapters.placement import PlacementClaims
from nova_xloud.compute.ports import ClaimConflict
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import ClaimRefused, NoAllocation, NoCapacity, PlacementUnavailable

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
    with pytest.raises(NoAllocation, match="is being moved"):
        claims.check(claims.read(), Size(3, 768))
    client._put_allocations.assert_not_called()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_answer(409, '{"errors": [{"code": "placement.concurrent_update"}]}'), ClaimConflict),
        # That nobody can say how much room there is does not hide that there is too little.
        (_answer(409, "Unable to allocate inventory"), NoCapacity),
        (_answer(503, "down"), PlacementUnavailable),
        (_answer(429, "slow down"), PlacementUnavailable),
        (_answer(401, "who?"), PlacementUnavailable),
        (_answer(403, "no"), PlacementUnavailable),
        # The provider is gone, or the class is unknown: no pause helps, and no room.
        (_answer(400, "Allocation for resource provider that does not exist"), ClaimRefused),
        (_answer(404, "nothing here"), ClaimRefused),
        (ks_exc.ConnectFailure("away"), PlacementUnavailable),
        (ks_exc.Unauthorized("no token"), PlacementUnavailable),
    ],
    ids=["conflict", "full", "ill", "busy", "401", "403", "400", "404", "away", "no token"],
)
def test_answers_that_change_nothing(answer, error):
    claims, _ = _claims(answer)
    with pytest.raises(error):
        claims.write(claims.read(), Size(3, 768))


def test_refused_release_has_placements_words_and_is_no_lack_of_room():
    detail = (
        "There was a conflict when trying to complete your request.\n\n"
        " Unable to allocate inventory: DISK_GB on shared-storage.  "
    )
    text = json.dumps({"errors": [{"detail": detail}]})
    answer = SimpleNamespace(status_code=409, text=text, json=lambda: json.loads(text))
    claims, client = _claims(answer)
    with pytest.raises(ClaimRefused, match="stays reserved: Unable to allocate inventory: DISK_GB"):
        claims.write(claims.read(), Size(1, 256))
    assert client._put_allocations.call_count == 1


@pytest.mark.parametrize("error", [ValueError("<html>"), ks_exc.Unauthorized("no token")])
def test_what_is_between_it_and_placement_may_answer_in_html(error):
    claims, client = _claims(_answer(204))
    client.get_allocs_for_consumer.side_effect = [error]
    with pytest.raises(PlacementUnavailable):
        claims.read()
