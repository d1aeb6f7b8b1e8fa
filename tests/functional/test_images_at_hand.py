# SPDX-License-Identifier: Apache-2.0
"""Images that a tenant chooses or changes for a server that is there: no guest beyond its claim.

And what that is measured by: the size that a server was claimed with is recorded when it is.
"""

import os
from unittest import mock

import ddt
from glanceclient import exc as glance_exc
from keystoneauth1 import exceptions as ks_exc
from libvirt import VIR_DOMAIN_XML_INACTIVE
from lxml import etree
from nova import context as nova_context
from nova import exception, objects
from nova.compute.manager import ComputeManager
from nova.conf import CONF
from nova.tests.functional.api.client import OpenStackApiException
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.adapters import nova_objects
from nova_xloud.seams import images
from tests.functional.clouds import GROWN, MovesTestCase
from tests.functional.test_unreadable_records import write_into_record

LOCKED = {"hw_locked_memory": "true"}
SMALL_PAGES = {"hw__mem_page_size": "small"}


class ImagesTestCase(MovesTestCase):
    """A server of 1 / 512 that was never adjusted, on host1, with an image of its own."""

    def _grow(self, server=None):
        """It stays as it was created."""

    def setUp(self):
        super().setUp()
        self._delete_server(self.server)
        self.image = self._image()
        self.flavor = self._flavor(minimum_cpu=1, minimum_memory=512, **SMALL_PAGES)
        self.server = self._boot(self.flavor, image_uuid=self.image, host="host1")
        os.makedirs(os.path.join(CONF.instances_path, self.server["id"]), exist_ok=True)

    def _change_image(self, **properties):
        image = self.glance.show(None, self.image)
        image["properties"] = {**image["properties"], **properties}
        self.glance.images[self.image] = image

    def _refused_with(self, status, action, *words):
        """By the API: no action of it was begun."""
        begun = self._actions()
        error = self.assertRaises(
            OpenStackApiException, self.api.post_server_action, self.server["id"], action
        )
        assert self._actions() == begun
        assert error.response.status_code == status, error.response.text
        for word in words:
            assert word in error.response.text, error.response.text

    def _begins_without_glance(self, action, begins):
        """nova-api begins an operation, whatever Glance answers; ``begins`` is of Nova."""
        for away in (
            exception.GlanceConnectionFailed(server="glance", reason="down"),
            glance_exc.HTTPInternalServerError(),
            ks_exc.ConnectFailure("away"),
        ):
            with (
                mock.patch.object(self.glance, "show", side_effect=away),
                mock.patch(f"nova.{begins}") as begun,
            ):
                self.api.post_server_action(self.server["id"], action)
            begun.assert_called_once()
            record = self._record(self.server)
            record.task_state = None
            record.save()

    def _actions(self):
        return [one["request_id"] for one in self.admin_api.get_instance_actions(self.server["id"])]

    def _is_as_before(self, vcpus=1, memory_mb=512):
        server = self.admin_api.get_server(self.server["id"])
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
        self._has(vcpus, memory_mb)

    def _xml(self):
        connection = self.computes["host1"].driver._host.get_connection()
        domain = connection.lookupByUUIDString(self.server["id"])
        return etree.fromstring(domain.XMLDesc(VIR_DOMAIN_XML_INACTIVE))

    def _forget_record(self):
        """As before there were records of servers that nobody has adjusted."""
        record = self._record(self.server)
        keys = nova_objects.record_of(record)
        assert keys
        write_into_record(self.server, remove=keys)


@ddt.ddt
class Rebuild(ImagesTestCase):
    def test_what_it_was_claimed_with_is_recorded_at_create(self):
        record = self._record(self.server)
        desired = nova_objects.read_desired(record, nova_objects.facts_of_instance(record))
        assert (desired.persisted.vcpus, desired.persisted.memory_mb) == (1, 512)
        assert desired.generation == 0
        assert self._status()["generation"] == 0

    @ddt.data(
        ({"hw_cpu_threads": "4"}, "4 vCPUs", "1 are claimed"),
        (LOCKED, "maximum of 1024 MiB", "512 MiB are claimed"),
    )
    @ddt.unpack
    def test_with_another_image_or_the_same_one_changed_it_is_no_larger(self, properties, *words):
        for version in ("2.1", "2.79", "latest"):
            self.api.microversion = version
            rebuild = {"rebuild": {"imageRef": self._image(**properties)}}
            self._refused_with(400, rebuild, *words)
        self._change_image(**properties)
        self._refused_with(400, {"rebuild": {"imageRef": self.image}}, *words)
        self._is_as_before()
        # Nor is one that was created before its size was recorded.
        self._forget_record()
        self._refused_with(400, {"rebuild": {"imageRef": self.image}}, *words)
        self._is_as_before()

    def test_rebuild_records_the_claimed_size_of_a_server_without_record(self):
        self._forget_record()
        self._rebuild_server(self.server, self._image(os_type="linux"))
        record = self._record(self.server)
        assert nova_objects.record_of(record)["xloud_memory_mb"] == "512"
        self._has(1, 512)

    def test_once_it_has_what_the_image_needs_it_is_rebuilt_with_it(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024)
        self._has(4, 1024)
        self._rebuild_server(self.server, self._image(hw_cpu_threads="4", **LOCKED))
        self._has(4, 1024)

    def test_unreadable_image_fails_the_rebuild_before_the_guest_ends(self):
        image = self._image(os_type="linux")
        # The API has checked the image, and Glance does not answer the compute host.
        gone = exception.GlanceConnectionFailed(server="glance", reason="down")
        with mock.patch.object(self.computes["host1"].manager.image_api, "get", side_effect=gone):
            self.assertRaises(
                OpenStackApiException,
                self.api.post_server_action,
                self.server["id"],
                {"rebuild": {"imageRef": image}},
            )
        self._is_as_before()
        assert self.admin_api.get_server(self.server["id"])["image"]["id"] == self.image

    def test_host_refuses_the_rebuild_before_the_old_guest_ends(self):
        before = self._xml().findtext("uuid"), self._record(self.server).system_metadata
        with mock.patch.object(images, "_check_rebuild"):
            self.assertRaises(
                OpenStackApiException,
                self.api.post_server_action,
                self.server["id"],
                {"rebuild": {"imageRef": self._image(**LOCKED)}},
            )
        self._is_as_before()
        assert (self._xml().findtext("uuid"), self._record(self.server).system_metadata) == before
        assert self.admin_api.get_server(self.server["id"])["image"]["id"] == self.image
        self._reboot_server(self.server, hard=True)
        self._has(1, 512)

    def test_resized_and_reverted_it_has_again_what_it_was_claimed_with(self):
        self._forget_record()
        larger = self._flavor(vcpus=6, memory_mb=2048, minimum_cpu=2, minimum_memory=1024)
        self._resize_server(self.server, larger)
        assert self._claims_on("host2") == (2, 1024)
        assert nova_objects.record_of(self._record(self.server))["xloud_vcpus"] == "2"
        self._revert_resize(self.server)
        self._has(1, 512)
        assert nova_objects.record_of(self._record(self.server))["xloud_vcpus"] == "1"
        write_into_record(self.server, xloud_memory_mb="")
        self._resize_server(self.server, larger)
        self._revert_resize(self.server)
        self._has(1, 512)


@ddt.ddt
class Rescue(ImagesTestCase):
    @ddt.data(
        (LOCKED, "maximum of 1024 MiB", "512 MiB are claimed"),
        ({"hw_cpu_threads": "2"}, "2 vCPUs", "1 are claimed"),
    )
    @ddt.unpack
    def test_with_an_image_that_needs_more_is_refused(self, properties, *words):
        other = self._image(**properties)
        self._refused_with(400, {"rescue": {"rescue_image_ref": other}}, *words)
        self._is_as_before()
        # Its own one, as it is now: Nova rescues with that where none is named.
        self._change_image(**properties)
        self._refused_with(400, {"rescue": {}}, *words)
        stable = self._image(hw_rescue_device="disk", hw_rescue_bus="virtio")
        self._refused_with(400, {"rescue": {"rescue_image_ref": stable}}, *words)
        self._is_as_before()

    def test_with_one_that_does_not_its_size_stays(self):
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(*GROWN)
        other = self._image(os_type="linux")
        self.api.post_server_action(self.server["id"], {"rescue": {"rescue_image_ref": other}})
        self._wait_for_state_change(self.server, "RESCUE")
        assert self._xml().find("vcpu").get("current") == "3"
        assert self._xml().findtext("currentMemory") == str(768 * 1024)

    def test_without_glance_it_is_rescued_as_by_stock_nova(self):
        self._begins_without_glance({"rescue": {}}, "compute.rpcapi.ComputeAPI.rescue_instance")

    def test_with_a_base_image_that_cannot_be_read_it_is_rescued_as_by_stock_nova(self):
        self._change_image(hw_cpu_sockets="many")
        with mock.patch("nova.compute.rpcapi.ComputeAPI.rescue_instance") as begun:
            self.api.post_server_action(self.server["id"], {"rescue": {}})
        begun.assert_called_once()

    def test_its_size_is_by_the_image_at_hand(self):
        # The server's own image has threads, the other one has none: then one is removable.
        self.server = self._boot(
            self.flavor, image_uuid=self._image(hw_cpu_threads="2"), host="host1"
        )
        os.makedirs(os.path.join(CONF.instances_path, self.server["id"]), exist_ok=True)
        assert self._hotpluggable() == ["no", "no", "yes", "yes"]
        other = self._image(os_type="linux")
        self.api.post_server_action(self.server["id"], {"rescue": {"rescue_image_ref": other}})
        self._wait_for_state_change(self.server, "RESCUE")
        assert self._hotpluggable() == ["no", "yes", "yes", "yes"]

    def _hotpluggable(self):
        return [v.get("hotpluggable") for v in self._xml().findall("vcpus/vcpu")]

    def test_host_refuses_the_rescue_before_power_off(self):
        with (
            mock.patch.object(images, "_begins", return_value=False),
            mock.patch.object(ComputeManager, "_power_off_instance") as power_off,
        ):
            self.assertRaises(
                OpenStackApiException,
                self.api.post_server_action,
                self.server["id"],
                {"rescue": {"rescue_image_ref": self._image(**LOCKED)}},
            )
        power_off.assert_not_called()
        self._is_as_before()

    def test_the_driver_makes_no_such_guest_whoever_has_let_it_through(self):
        with (
            mock.patch.object(images, "check_rescue_image"),
            mock.patch.object(LibvirtDriver, "_create_guest") as create,
        ):
            self.assertRaises(
                OpenStackApiException,
                self.api.post_server_action,
                self.server["id"],
                {"rescue": {"rescue_image_ref": self._image(**LOCKED)}},
            )
        create.assert_not_called()

    def test_for_a_stock_server_nothing_is_read(self):
        stock = self._boot(self._flavor(), host="host1")
        context = nova_context.get_admin_context()
        instance = objects.Instance.get_by_uuid(context, stock["id"], ["system_metadata"])
        assert not images._begins(context, instance, "active")
        # As Nova's API sends it to attach a volume, say, after which a pass is begun for ours.
        assert not nova_objects.is_elastic_as_loaded(instance)
        assert "flavor" not in instance
        instance = objects.Instance.get_by_uuid(context, self.server["id"], ["system_metadata"])
        assert images._begins(context, instance, "active")
        assert nova_objects.is_elastic_as_loaded(instance)


class Unshelve(ImagesTestCase):
    def setUp(self):
        super().setUp()
        self._shelve_server(self.server, expected_state="SHELVED_OFFLOADED")
        snapshot = self._record(self.server).system_metadata["shelved_image_id"]
        self.own, self.image = self.image, snapshot

    def test_without_glance_it_is_unshelved_as_by_stock_nova(self):
        begins = "conductor.api.ComputeTaskAPI.unshelve_instance"
        self._begins_without_glance({"unshelve": None}, begins)

    def test_from_a_changed_snapshot_is_refused_until_it_is_changed_back(self):
        self._change_image(**LOCKED)
        words = ("maximum of 1024 MiB", "512 MiB are claimed", self.image)
        self._refused_with(400, {"unshelve": None}, *words)
        with mock.patch.object(images, "_begins", return_value=False):
            # By the driver: it stays shelved, and nothing is claimed for it.
            self.assertRaises(
                OpenStackApiException,
                self.api.post_server_action,
                self.server["id"],
                {"unshelve": None},
            )
        assert self.admin_api.get_server(self.server["id"])["status"] == "SHELVED_OFFLOADED"
        assert self._get_allocations_by_server_uuid(self.server["id"]) == {}
        self._change_image(hw_locked_memory="false")
        self._unshelve_server(self.server)
        self._has(1, 512)


def test_stable_rescue_of_a_volume_server_reads_the_volumes_present_image():
    rescue_image = objects.ImageMeta.from_dict({"properties": {"hw_rescue_device": "disk"}})
    instance = mock.Mock(image_ref="", image_meta=mock.sentinel.as_recorded)
    apis = mock.Mock()
    with (
        mock.patch.object(objects.BlockDeviceMappingList, "get_by_instance_uuid", return_value=[1]),
        mock.patch.object(images.block_device, "get_bdm_image_metadata") as of_volume,
    ):
        of_volume.return_value = {"properties": LOCKED}
        assert images._guest_image(None, apis, instance, rescue_image).properties.hw_locked_memory
        for error in (
            exception.InvalidBDMVolume(id="volume"),
            exception.CinderConnectionFailed(reason="away"),
            exception.ImageNUMATopologyMemoryOutOfRange(memsize=1, memtotal=2),
            ValueError("a tenant's number"),
        ):
            of_volume.side_effect = error
            found = images._guest_image(None, apis, instance, rescue_image)
            assert found is mock.sentinel.as_recorded, error
