# SPDX-License-Identifier: Apache-2.0
"""Many adjustments at once: of one server, of fifty, and more than there are workers."""

from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from nova import context as nova_context
from nova import objects

from lab.patience import LIMIT
from nova_xloud.adapters.host_instances import ATTRIBUTES
from nova_xloud.compute.observe import observe
from nova_xloud.core.size import Size
from tests.functional.base import AdjustTestCase, XloudTestCase
from tests.functional.engine import EngineTestCase


class Concurrent(EngineTestCase):
    def test_many_adjustments_of_one_server_at_once(self):
        sizes = [(v, m) for v in (1, 2, 3, 4) for m in (512, 640, 768, 1024)]

        def adjust(size):
            self._adjust(current_vcpus=size[0], current_memory_mb=size[1])

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(adjust, sizes))
        desired = {r: self._status()[r]["desired"] for r in ("vcpus", "memory_mb")}
        assert tuple(desired.values()) in sizes
        self._has(*desired.values())
        metadata = self._record(self.server).system_metadata
        # Each was admitted as it stood: the first of (1, 512) alone may have asked for nothing new.
        assert len(sizes) - 1 <= int(metadata["xloud_generation"]) <= len(sizes)
        events = [e for a in self._events("xloud_adjust") for e in a["events"]]
        assert {e["result"] for e in events} <= {"Success", None}

    def test_a_claim_that_somebody_changes_at_every_try(self):
        client = self.computes["host1"].manager.xloud_ports.placement
        put, tries = client._put_allocations, []

        def changed_meanwhile(context, consumer, payload):
            tries.append(dict(payload))
            if len(tries) <= 2:
                fresh = client.get_allocs_for_consumer(context, consumer)
                for one in fresh["allocations"].values():
                    one.pop("generation", None)
                assert put(context, consumer, fresh).status_code == 204
            return put(context, consumer, payload)

        with mock.patch.object(client, "_put_allocations", changed_meanwhile):
            self._adjust(current_vcpus=3)
        assert len(tries) == 3
        self._has(3, 512)

    def test_a_claim_that_never_succeeds_is_503_and_nothing_is_changed(self):
        client = self.computes["host1"].manager.xloud_ports.placement
        conflict = mock.Mock(status_code=409, text="code: placement.concurrent_update")
        with mock.patch.object(client, "_put_allocations", return_value=conflict):
            self._refused(503, "xloud.placement_unavailable", current_vcpus=3)
        self._has(1, 512)
        assert self._record(self.server).system_metadata["xloud_generation"] == "0"


class Fifty(XloudTestCase):
    def _active(self):
        return self.api.get_servers(detail=False, search_opts={"status": "ACTIVE"})

    def test_fifty_servers_grow_at_once_and_the_host_is_never_oversold(self):
        self.flags(instances=-1, group="quota")
        self.flags(cpu_allocation_ratio=50.0, disk_allocation_ratio=100.0)
        self.flags(memory_floor_mb=64, memory_floor_percent=0, group="xloud")
        self.start_compute("host1")
        flavor = self._flavor(vcpus=2, memory_mb=128, minimum_cpu=1, minimum_memory=64)
        for there in range(0, 50, 5):
            body = self._build_server(flavor_id=flavor, networks="none") | {"min_count": 5}
            self.api.post_server({"server": body})
            self._wait(lambda some=there + 5: self.assertEqual(some, len(self._active())), LIMIT)
        servers = self._active()
        (provider,) = self._get_allocations_by_server_uuid(servers[0]["id"])
        inventory = self._get_provider_inventory(provider)["MEMORY_MB"]
        # Room for thirty of the fifty.
        inventory["reserved"] = inventory["total"] - 50 * 64 - 30 * 64
        self._update_inventory_of(provider, inventory)

        def grow(server):
            answer = self.admin_api.api_post(
                f"/os-xloud-adjust/{server['id']}",
                {"current_memory_mb": 128},
                check_response_status=[202, 409],
            )
            return answer.status, str(answer.body)

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(grow, servers))
        admitted = [status == 202 for status, _ in answers]
        assert sum(admitted) == 30
        assert all("xloud.no_capacity" in body for status, body in answers if status == 409)
        used = self._get_provider_usages(provider)["MEMORY_MB"]
        assert used == inventory["total"] - inventory["reserved"]
        for server, grown in zip(servers, admitted, strict=True):
            assert self._reserved(server)["MEMORY_MB"] == (128 if grown else 64)


class Queued(AdjustTestCase):
    """A run may wait for minutes, and somebody comes first."""

    def test_open_instance_reads_its_record_with_a_changed_flavor(self):
        manager = self.computes["host1"].manager
        context = nova_context.get_admin_context()
        instance = objects.Instance.get_by_uuid(context, self.server["id"], ATTRIBUTES)
        waiting = manager.xloud_ports.open(context, instance)
        assert observe(waiting).reservation.size == Size(1, 512)
        other = self._record(self.server)
        other.flavor.extra_specs = {**other.flavor.extra_specs, "resources:MEMORY_MB": "1024"}
        other.save()
        seen = observe(waiting)
        assert seen.reservation.size == Size(1, 1024)
        # Nor is it written as the old one would have it.
        waiting.claims.write(seen.reservation, Size(2, 768))
        assert self._reserved(self.server) == {"VCPU": 2, "MEMORY_MB": 512}
