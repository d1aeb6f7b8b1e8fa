# SPDX-License-Identifier: Apache-2.0
"""An image that is made of a server has nothing of the server's record, and passes none on."""

from unittest import mock

import ddt
from nova.compute import task_states
from nova.compute import utils as compute_utils
from nova.tests import fixtures as nova_fixtures
from nova.virt.libvirt.driver import LibvirtDriver
from nova.volume import cinder

from nova_xloud.adapters import nova_objects
from tests.functional.base import AdjustTestCase
from tests.functional.clouds import GROWN
from tests.functional.test_tenant_writes import LOOKS_LIKE_OURS

# By name: an action that makes an image.
MAKES_AN_IMAGE = {
    "snapshot": {"createImage": {"name": "snapshot", "metadata": {"xloud_mine": "kept"}}},
    "backup": {"createBackup": {"name": "backup", "backup_type": "daily", "rotation": 99}},
    "shelve": {"shelve": {}},
}


def _uploaded(context, instance, image_id, update_task_state):
    """Nova's fake guest has no disk that could be copied."""
    pending, uploading = task_states.IMAGE_PENDING_UPLOAD, task_states.IMAGE_UPLOADING
    update_task_state(task_state=pending)
    update_task_state(task_state=uploading, expected_state=pending)


class SnapshotsTestCase(AdjustTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(nova_fixtures.CinderFixture(self))
        self.flags(instances=-1, group="quota")

    def _grown(self, server):
        """The server with a record that has a history."""
        self._adjust(server, current_vcpus=GROWN[0], current_memory_mb=GROWN[1])
        self._has(*GROWN, server)
        assert "xloud_history_1" in nova_objects.record_of(self._record(server))
        return server

    def _image_of(self, server, action):
        """The properties of the image that an action on a server makes."""
        before = set(self.glance.images)
        with mock.patch.object(LibvirtDriver, "snapshot", side_effect=_uploaded):
            self.admin_api.post_server_action(server["id"], action)
            self._wait_for_server_parameter(server, {"OS-EXT-STS:task_state": None})
        (made,) = set(self.glance.images) - before
        return made, self.glance.images[made]["properties"]


@ddt.ddt
class Snapshots(SnapshotsTestCase):
    @ddt.data(*MAKES_AN_IMAGE)
    def test_has_nothing_of_the_record(self, name):
        _, properties = self._image_of(self._grown(self.server), MAKES_AN_IMAGE[name])
        found = {key: value for key, value in properties.items() if "xloud" in key}
        # What the user names is the user's.
        assert found == MAKES_AN_IMAGE[name].get("createImage", {}).get("metadata", {})
        assert properties["image_type"] in ("snapshot", "backup")
        assert "base_image_ref" in properties

    def test_of_a_volume_has_nothing_of_the_record(self):
        body = self._build_server(
            flavor_id=self._flavor(minimum_cpu=1, minimum_memory=512),
            networks="none",
            image_uuid="",
        )
        volume = {"boot_index": 0, "source_type": "volume", "destination_type": "volume"}
        volume["uuid"] = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL
        body["block_device_mapping_v2"] = [volume]
        server = self._wait_for_state_change(self.api.post_server({"server": body}), "ACTIVE")
        # Nova's fake volumes have no description.
        get = cinder.API.get.side_effect
        described = {"display_description": ""}
        cinder.API.get.side_effect = lambda *args, **kwargs: get(*args, **kwargs) | described
        action = {"createImage": {"name": "of a volume"}}
        _, properties = self._image_of(self._grown(server), action)
        assert [key for key in properties if "xloud" in key] == []
        assert properties["bdm_v2"]

    def test_passes_on_nothing_that_an_earlier_one_has(self):
        """Of an image made before the record was left out, or by a tenant."""
        server = self._elastic(image_uuid=self._image(**LOOKS_LIKE_OURS, os_type="linux"))
        image, properties = self._image_of(self._grown(server), MAKES_AN_IMAGE["backup"])
        assert [key for key in properties if key in LOOKS_LIKE_OURS and "xloud_" in key] == []
        assert properties["os_type"] == "linux"
        booted = self._elastic(image_uuid=image)
        self._has(1, 512, booted)
        sent = self.admin_api.api_get(f"/servers/{booted['id']}/xloud-history").body
        assert sent == {"xloud_history": []}

    def test_of_a_stock_server_is_as_nova_makes_it(self):
        server = self._boot(self._flavor(), image_uuid=self._image(**LOOKS_LIKE_OURS))
        record, context = self._record(server), self._in_the_cell()
        extended = compute_utils.initialize_instance_snapshot_metadata
        made = extended(context, record, "name", {"a": "b"})
        assert made == extended.__wrapped__(context, record, "name", {"a": "b"})
        assert made["properties"]["xloud_vcpus"] == "4"
