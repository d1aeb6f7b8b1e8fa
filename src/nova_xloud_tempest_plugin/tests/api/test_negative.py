# SPDX-License-Identifier: Apache-2.0
"""Tests that requests are refused with the right HTTP status.

Most of them also check the error code, and that the server's status and claim have not changed.
"""

from __future__ import annotations

import json
from typing import Any

from tempest import config
from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import data_utils

from nova_xloud_tempest_plugin.tests import base

CONF = config.CONF

# The largest number of vCPUs of QEMU's PC machine type (i440fx).
MOST_VCPUS_OF_A_GUEST = 255


class _RefusedTest(base.BaseXloudTest):
    """Base of the tests in which adjustments of a server are refused and must change nothing."""

    def _refused(self, kind: type[Exception], says: str, body: Any) -> None:
        """Assert that the request ``body`` is refused, and that status and claim do not change.

        :param kind: the class of Tempest's exception for the refusal
        :param says: a text that the exception's message contains
        """
        before = self.witnesses(self.server_id)
        text = json.dumps(body)
        try:
            self.admin_xloud.adjust_with(self.server_id, text)
        except kind as refusal:
            self.assertIn(says, str(refusal))
        else:
            self.fail(f"{text} was accepted")
        self.assertEqual(before, self.witnesses(self.server_id))


class InvalidTest(_RefusedTest):
    """Requests that are answered with 400, because they are malformed or out of bounds."""

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.server_id = cls.create_server()

    def setUp(self) -> None:
        super().setUp()
        self.wait_settled(self.server_id, self.minimum)

    def _invalid(self, *bodies: Any) -> None:
        for body in bodies:
            self._refused(lib_exc.BadRequest, "xloud.invalid", body)

    def _out_of_bounds(self, **body: int) -> None:
        self._refused(lib_exc.BadRequest, "xloud.out_of_bounds", body)

    @decorators.idempotent_id("a483de4f-909b-47ca-ac12-c13b7857bb08")
    @decorators.attr(type="negative")
    def test_booleans(self) -> None:
        self._invalid({"current_vcpus": True}, {"current_memory_mb": False})

    @decorators.idempotent_id("61e68989-e99b-49d1-bfdb-216137d94a57")
    @decorators.attr(type="negative")
    def test_floats(self) -> None:
        self._invalid({"current_vcpus": 1.5}, {"current_memory_mb": 640.25})

    @decorators.idempotent_id("870e038b-c20e-41e8-b8f3-f14a9054a936")
    @decorators.attr(type="negative")
    def test_strings_of_something_else(self) -> None:
        for text in ("", " ", "two", "1.5", "-1", "+1", "0x2", "1e1", " 2"):
            self._invalid({"current_vcpus": text}, {"current_memory_mb": text})

    @decorators.idempotent_id("5884e3e1-7b9a-4913-8c8f-daeb343e7b5c")
    @decorators.attr(type="negative")
    def test_other_types(self) -> None:
        values: list[Any] = [None, [], [2], {}]
        for value in values:
            self._invalid({"current_vcpus": value}, {"current_memory_mb": value})

    @decorators.idempotent_id("9f177591-461e-44ae-8e53-a2dd80183f65")
    @decorators.attr(type="negative")
    def test_zero_and_less(self) -> None:
        self._invalid({"current_vcpus": 0}, {"current_vcpus": -1}, {"current_memory_mb": 0})

    @decorators.idempotent_id("7d34878c-eed6-4204-a85d-7669eb92cf83")
    @decorators.attr(type="negative")
    def test_unknown_keys(self) -> None:
        self._invalid({**self.minimum.asked, "vcpus": 2}, {"adjust": self.minimum.asked})

    @decorators.idempotent_id("cb399a08-a753-4689-84fe-a5143847bd42")
    @decorators.attr(type="negative")
    def test_no_size(self) -> None:
        self._invalid({}, {"persist": True})

    @decorators.idempotent_id("e237fcde-0998-492b-b51b-13a41047e19e")
    @decorators.attr(type="negative")
    def test_persist_is_no_boolean(self) -> None:
        self._invalid(
            {**self.minimum.asked, "persist": "maybe"}, {**self.minimum.asked, "persist": 2}
        )

    @decorators.idempotent_id("bbce4929-d9fc-4d94-8147-8dcd50224496")
    @decorators.attr(type="negative")
    def test_not_an_object(self) -> None:
        for body in ([], [self.minimum.asked], "grow", 2, None):
            self._refused(lib_exc.BadRequest, "", body)

    @decorators.idempotent_id("98ff2af5-2aab-451e-903d-03b2a633a150")
    @decorators.attr(type="negative")
    def test_below_the_minimum_of_memory(self) -> None:
        self._out_of_bounds(current_memory_mb=self.minimum.memory_mb - 1)

    @decorators.idempotent_id("d02d0f2a-3f09-4c67-958f-db6df20f0824")
    @decorators.attr(type="negative")
    def test_above_the_maximum(self) -> None:
        self._out_of_bounds(current_vcpus=self.maximum.vcpus + 1)
        self._out_of_bounds(current_memory_mb=self.maximum.memory_mb + 1)

    @decorators.idempotent_id("226481d9-199d-4b19-80b0-fb3fbb0058b9")
    @decorators.attr(type="negative")
    def test_both_or_neither(self) -> None:
        """A request with one size out of bounds is refused as a whole."""
        self._out_of_bounds(
            current_vcpus=self.larger.vcpus, current_memory_mb=self.maximum.memory_mb + 1
        )

    @decorators.idempotent_id("68722570-b3a1-4812-9b5d-2f53a9a9caf2")
    @decorators.attr(type="negative")
    def test_flavor_with_a_minimum_above_its_size(self) -> None:
        extra_spec = {"minimum_cpu": str(self.maximum.vcpus + 1)}
        self.assertRaises(
            lib_exc.BadRequest, self.flavors.set_flavor_extra_spec, self.flavor_id, **extra_spec
        )


class BelowMinimumTest(_RefusedTest):
    """A request below the minimum of vCPUs is answered with 400.

    The server has a flavor of its own, whose minimum is more than one vCPU.
    """

    @decorators.idempotent_id("47c101b1-1ca7-4ecd-b8c9-f42c785823de")
    @decorators.attr(type="negative")
    def test_below_the_minimum_of_vcpus(self) -> None:
        flavor_id = self.create_flavor(self.maximum, self.larger)
        self.server_id = self.create_server(flavor_id)
        self.wait_settled(self.server_id, self.larger)
        body = {"current_vcpus": self.larger.vcpus - 1}
        self._refused(lib_exc.BadRequest, "xloud.out_of_bounds", body)


class UnknownTest(base.BaseXloudTest):
    """Requests about a server that does not exist, which are answered with 404."""

    @decorators.idempotent_id("a4b74ccc-2605-4d9f-8fcb-3406d304c371")
    @decorators.attr(type="negative")
    def test_adjust_unknown_server(self) -> None:
        unknown = data_utils.rand_uuid()
        self.assertRaises(lib_exc.NotFound, self.admin_xloud.adjust, unknown, current_vcpus=1)

    @decorators.idempotent_id("2bb6b393-55b7-4fa0-9dbf-900f4013e52d")
    @decorators.attr(type="negative")
    def test_status_of_unknown_server(self) -> None:
        self.assertRaises(lib_exc.NotFound, self.xloud.show_status, data_utils.rand_uuid())


class ConflictTest(_RefusedTest):
    """Requests that are answered with 409: a server is locked or shelved, or no host has room."""

    @decorators.idempotent_id("e864aa72-775c-426b-bc7a-8043cbdd400d")
    @decorators.attr(type="negative")
    def test_locked(self) -> None:
        self.server_id = self.create_server()
        self.wait_settled(self.server_id, self.minimum)
        self.servers.lock_server(self.server_id)
        self.addCleanup(self.servers.unlock_server, self.server_id)
        self._refused(lib_exc.Conflict, "locked", self.larger.asked)

    @decorators.idempotent_id("293f1c0c-9125-45f9-a30f-a5306c843748")
    @decorators.attr(type="negative")
    def test_shelved(self) -> None:
        if not CONF.compute_feature_enabled.shelve:
            raise self.skipException("[compute-feature-enabled] shelve is false")
        self.server_id = self.create_server()
        self.servers.shelve_server(self.server_id)
        self.wait_until(
            f"{self.server_id} to be shelved", self._is_shelved, CONF.compute.build_timeout
        )
        self._refused(lib_exc.Conflict, "shelved", self.larger.asked)

    def _is_shelved(self) -> bool:
        """Return whether the server is shelved, and no operation on it is in progress.

        A server whose status is SHELVED_OFFLOADED counts once it has no host.
        """
        server = self.admin_servers.show_server(self.server_id)["server"]
        if server["OS-EXT-STS:task_state"]:
            return False
        is_gone = server["status"] == "SHELVED_OFFLOADED" and not server["OS-EXT-SRV-ATTR:host"]
        return server["status"] == "SHELVED" or is_gone

    @decorators.idempotent_id("59553641-70c2-40ba-857f-db0b75d20ab7")
    @decorators.attr(type="negative")
    def test_no_capacity(self) -> None:
        """An adjustment to more vCPUs than any host gives one server is refused."""
        vcpus = self._most_of_a_host() + 1
        if vcpus > MOST_VCPUS_OF_A_GUEST:
            raise self.skipException(f"no guest can have more than the {vcpus - 1} vCPUs of a host")
        flavor_id = self.create_flavor(base.Size(vcpus, self.maximum.memory_mb), self.minimum)
        self.server_id = self.create_server(flavor_id)
        self.wait_settled(self.server_id, self.minimum)
        body = {"current_vcpus": vcpus, "current_memory_mb": self.larger.memory_mb}
        self._refused(lib_exc.Conflict, "xloud.no_capacity", body)

    def _most_of_a_host(self) -> int:
        """Return the most vCPUs that Placement lets one server have, over all hosts."""
        found = self.providers.list_resource_providers()["resource_providers"]
        inventories = [
            self.providers.list_resource_provider_inventories(provider["uuid"])["inventories"]
            for provider in found
        ]
        return max(each["VCPU"]["max_unit"] for each in inventories if "VCPU" in each)
