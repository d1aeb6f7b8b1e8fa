# SPDX-License-Identifier: Apache-2.0
"""Booting: what is claimed, recorded and put in the guest's XML."""

from unittest import mock

import ddt
from libvirt import VIR_DOMAIN_XML_INACTIVE
from lxml import etree
from nova import context as nova_context
from nova import objects
from nova.db.main import api
from nova.tests.functional.api.client import OpenStackApiException
from nova.virt.libvirt.config import LibvirtConfigGuest
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.core.sizing.traits import TRAITS
from tests.functional.base import XloudTestCase


@ddt.ddt
class Boot(XloudTestCase):
    def setUp(self):
        super().setUp()
        self.start_compute("host1")

    def _xml(self, server):
        connection = self.computes["host1"].driver._host.get_connection()
        domain = connection.lookupByUUIDString(server["id"])
        return etree.fromstring(domain.XMLDesc(VIR_DOMAIN_XML_INACTIVE))

    @ddt.data(
        {"minimum_cpu": 1, "minimum_memory": 512},
        {"xloud__minimum_cpu": 1, "xloud__minimum_memory": 512},
        {"minimum_cpu": 1, "xloud__minimum_memory": 512},
    )
    def test_holds_the_minimum_everywhere(self, specs):
        server = self._boot(self._flavor(**specs))
        assert self._reserved(server) == {"VCPU": 1, "MEMORY_MB": 512}
        record = self._record(server)
        assert (record.vcpus, record.memory_mb) == (1, 512)
        xml = self._xml(server)
        assert xml.findtext("vcpu") == "4"
        assert xml.find("vcpu").get("current") == "1"
        assert xml.findtext("currentMemory") == str(512 * 1024)
        assert xml.findtext("memory") == str(1024 * 1024)
        hotpluggable = [v.get("hotpluggable") for v in xml.findall("vcpus/vcpu")]
        assert hotpluggable == ["no", "yes", "yes", "yes"]

    def test_its_host_says_what_it_can_do(self):
        assert set(TRAITS) <= set(self._get_provider_traits(self.compute_rp_uuids["host1"]))

    def test_metadata_mirrors_the_minimums(self):
        server = self._elastic()
        shown = self.api.get_server(server["id"])
        assert shown["metadata"] == {"minimum_cpu": "1", "minimum_memory": "512"}

    def test_metadata_mirrors_nothing_that_goes_beyond_its_quota(self):
        self.flags(metadata_items=3, group="quota")
        mirror = {"minimum_cpu": "1", "minimum_memory": "512"}
        for own, shown in (
            ({"a": "1", "b": "2", "c": "3"}, {}),
            ({"a": "1", "b": "2"}, {}),
            ({"a": "1", "b": "2", "minimum_cpu": "9"}, {}),
            ({"a": "1", "minimum_cpu": "9"}, {"minimum_memory": "512"}),
            ({"a": "1"}, mirror),
        ):
            server = self._with_metadata(own)
            assert self.api.get_server(server["id"])["metadata"] == {**own, **shown}
            # The user can change each key.
            self.api.api_post(f"/servers/{server['id']}/metadata", {"metadata": {"a": "2"}})
        too_many = dict.fromkeys("abcd", "1")
        error = self.assertRaises(OpenStackApiException, self._with_metadata, too_many)
        assert error.response.status_code == 403, error.response.text

    def _with_metadata(self, metadata):
        flavor = self._flavor(minimum_cpu=1, minimum_memory=512)
        body = self._build_server(flavor_id=flavor, networks="none")
        server = self.api.post_server({"server": {**body, "metadata": metadata}})
        return self._wait_for_state_change(server, "ACTIVE")

    def test_one_minimum_leaves_the_other_at_the_maximum(self):
        server = self._boot(self._flavor(minimum_cpu=2))
        assert self._reserved(server) == {"VCPU": 2, "MEMORY_MB": 1024}
        server = self._boot(self._flavor(minimum_memory=256))
        assert self._reserved(server) == {"VCPU": 4, "MEMORY_MB": 256}

    def test_without_extra_specs_nothing_is_different(self):
        server = self._boot(self._flavor())
        assert self._reserved(server) == {"VCPU": 4, "MEMORY_MB": 1024}
        record = self._record(server)
        assert (record.vcpus, record.memory_mb) == (4, 1024)
        assert not [k for k in record.system_metadata if k.startswith("xloud")]
        xml = self._xml(server)
        assert xml.find("vcpus") is None
        assert xml.find("vcpu").get("current") is None
        assert self.api.get_server(server["id"])["metadata"] == {}

    def test_without_extra_specs_no_record_is_asked_of_the_database(self):
        with mock.patch.object(api, "instance_system_metadata_get") as ask:
            self._boot(self._flavor())
        ask.assert_not_called()

    def test_without_extra_specs_the_xml_is_novas_to_the_byte(self):
        pairs = []
        ours = LibvirtDriver._get_guest_config

        def both(driver, *args, **kwargs):
            # Nova records the machine type as it goes, and the second XML has it.
            ours(driver, *args, **kwargs)
            config = ours(driver, *args, **kwargs)
            stock = ours.__wrapped__(driver, *args, **kwargs)
            # The second may pass between the two.
            stock.metadata[0].creationTime = config.metadata[0].creationTime
            with mock.patch.object(
                LibvirtConfigGuest,
                "_format_basic_props",
                LibvirtConfigGuest._format_basic_props.__wrapped__,
            ):
                pairs.append((config.to_xml(), stock.to_xml()))
            return config

        with mock.patch.object(LibvirtDriver, "_get_guest_config", both):
            self._boot(self._flavor(hw__cpu_sockets="2", quota__cpu_shares="512"))
        ((config, stock),) = pairs
        assert config == stock
        assert "<vcpu>4</vcpu>" in stock

    def test_a_flavor_stored_with_an_impossible_minimum_is_refused_at_create(self):
        flavor_id = self._store_behind_the_api({"minimum_cpu": "9"})
        error = self.assertRaises(OpenStackApiException, self._boot, flavor_id)
        assert error.response.status_code == 400
        assert "minimum_cpu=9" in error.response.text
        assert "4 vCPUs" in error.response.text

    def test_create_refuses_a_stored_flavor_with_too_little_memory(self):
        flavor_id = self._store_behind_the_api({"xloud:minimum_memory": "64"})
        for microversion in ("2.1", "latest"):
            self.api.microversion = microversion
            error = self.assertRaises(OpenStackApiException, self._boot_at, flavor_id)
            assert error.response.status_code == 400
            assert "xloud:minimum_memory=64" in error.response.text
            assert "256 MiB" in error.response.text

    def _boot_at(self, flavor_id):
        # No networks: before 2.37 there was no word for none.
        return self.api.post_server(
            {"server": self._build_server(flavor_id=flavor_id, networks=[])}
        )

    def _store_behind_the_api(self, specs):
        flavor_id = self._flavor()
        flavor = objects.Flavor.get_by_flavor_id(nova_context.get_admin_context(), flavor_id)
        flavor.extra_specs = specs
        flavor.save()
        return flavor_id

    def test_memory_that_cannot_be_ballooned_is_claimed_whole(self):
        server = self._boot(
            self._flavor(
                minimum_cpu=1,
                minimum_memory=512,
                hw__locked_memory="true",
                hw__mem_page_size="small",
            )
        )
        assert self._reserved(server) == {"VCPU": 1, "MEMORY_MB": 1024}
        assert self._xml(server).find("vcpu").get("current") == "1"

    def test_many_minimums_fit_where_few_maximums_do(self):
        # Nova's fake host has terabytes, of which the usual share is more than a test needs.
        self.flags(memory_floor_percent=0, group="xloud")
        capacity = self._memory_capacity(self._elastic())
        flavor_id = self._flavor(memory_mb=capacity * 2 // 3, minimum_memory=1024)
        servers = [self._boot(flavor_id) for _ in range(5)]
        assert [self._reserved(s)["MEMORY_MB"] for s in servers] == [1024] * 5

    @ddt.data({"mem_stats_period_seconds": 0}, {"file_backed_memory": 4096})
    def test_a_host_that_cannot_balloon_refuses_to_spawn(self, options):
        self.flags(**options, group="libvirt")
        wanted = self._build_server(flavor_id=self._flavor(minimum_memory=512), networks="none")
        server = self.api.post_server({"server": wanted})
        self._wait(lambda: self.assertNotEqual("BUILD", self._state(server)))
        assert self._state(server) == "ERROR"
        assert self._get_allocations_by_server_uuid(server["id"]) == {}

    def _state(self, server):
        return self.api.get_server(server["id"])["status"]
