# SPDX-License-Identifier: Apache-2.0
"""The checks of sums, claims and quota can fail: each finds a fault that is put into the cloud."""

import pytest

from nova_xloud.core.size import Size
from nova_xloud.seams.resource_tracker import XloudResourceTracker
from nova_xloud.testing import Behaviour
from tests.sequences import checks
from tests.sequences.forks import Broken
from tests.sequences.machine import OPERATIONS, adjust, carry_out


@pytest.fixture
def fork(origin):
    made = origin.fork()
    arguments = {"server": "s1", "flavor": "small", "image": "plain"}
    made.call(carry_out, operation="create", arguments=arguments)
    yield made
    made.end()


def _kinds(cloud):
    return {kind for kind, _ in checks.wrong(cloud)}


def _leaves_with_its_present_size(cloud):
    XloudResourceTracker._as_counted = lambda tracker, usage: usage
    adjust(cloud, "s1", 3, 768)
    checks.come_to_rest(cloud)
    OPERATIONS["delete"](cloud, "s1")
    checks.come_to_rest(cloud)


def test_server_that_leaves_with_another_size_than_it_came_with_is_found(fork):
    with pytest.raises(Broken, match=r"left \(-2, -256\) in its sums") as broken:
        fork.call(_leaves_with_its_present_size)
    assert broken.value.kind == "sums"


def _is_claimed_too_much_beside_a_refusal(cloud):
    cloud.guest("s1").behaviour = Behaviour.REFUSES
    adjust(cloud, "s1", 3, 768)
    checks.come_to_rest(cloud)
    adjust(cloud, "s1", 3, 512)
    checks.come_to_rest(cloud)
    server = cloud.servers()["s1"]
    conditions = {one["type"] for one in cloud._status({"id": server.uuid})["conditions"]}
    held = cloud._claims_on(server.host, {"id": server.uuid})
    resources = {"VCPU": 3, "MEMORY_MB": 800, "DISK_GB": 1}
    cloud._allocate(server.uuid, {cloud.compute_rp_uuids[server.host]: resources})
    return conditions, held, _kinds(cloud)


def test_claim_of_too_much_beside_a_refusal_is_found(fork):
    conditions, held, kinds = fork.call(_is_claimed_too_much_beside_a_refusal)
    assert "GuestRefused" in conditions
    assert held == (3, 768)
    assert "reserved" in kinds


def _is_claimed_more_than_its_columns_have(cloud):
    server = cloud.servers()["s1"]
    resources = {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 1}
    cloud._allocate(server.uuid, {cloud.compute_rp_uuids[server.host]: resources})
    used = cloud.admin_api.api_get("/limits").body["limits"]["absolute"]
    return Size(used["totalCoresUsed"], used["totalRAMUsed"]), _kinds(cloud)


def test_quota_that_counts_other_than_placement_is_found(fork):
    used, kinds = fork.call(_is_claimed_more_than_its_columns_have)
    assert used == Size(1, 512)
    assert "quota" in kinds


def _is_suspended_with_memory_that_it_kept(cloud):
    adjust(cloud, "s1", 1, 768)
    checks.come_to_rest(cloud)
    cloud.guest("s1").behaviour = Behaviour.REFUSES
    adjust(cloud, "s1", 1, 512)
    checks.come_to_rest(cloud)
    OPERATIONS["suspend"](cloud, "s1")
    checks.come_to_rest(cloud)
    server = cloud.servers()["s1"]
    held = cloud._claims_on(server.host, {"id": server.uuid})
    resources = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}
    cloud._allocate(server.uuid, {cloud.compute_rp_uuids[server.host]: resources})
    return held, _kinds(cloud)


def test_suspended_server_keeps_what_its_guest_goes_on_with(fork):
    held, kinds = fork.call(_is_suspended_with_memory_that_it_kept)
    assert held == (1, 768)
    assert "reserved" in kinds
