# SPDX-License-Identifier: Apache-2.0
"""The base class of all tests, which creates flavors and servers and reads the sizes of servers.

A server's size is read from its xloud-status and from its allocations in Placement. Only interfaces
that Tempest calls stable for plugins are used. Servers have no network, because no test needs one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tempest import config, test
from tempest.lib import exceptions as lib_exc
from tempest.lib.common import api_version_utils
from tempest.lib.common.utils import data_utils, test_utils

CONF = config.CONF

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Size:
    """A number of vCPUs, and memory in MiB."""

    vcpus: int
    memory_mb: int

    @property
    def asked(self) -> dict[str, int]:
        """The size as the members ``current_vcpus`` and ``current_memory_mb`` of a request."""
        return {"current_vcpus": self.vcpus, "current_memory_mb": self.memory_mb}


class BaseXloudTest(api_version_utils.BaseMicroversionTest, test.BaseTestCase):  # type: ignore[misc]
    """Creates servers and adjusts them, with clients of their owner and of an admin.

    :ivar minimum: the minimum of the flavor ``flavor_id``
    :ivar maximum: the vCPUs and memory of the flavor ``flavor_id``
    :ivar larger: a size between both: one vCPU and 64 MiB above the minimum
    """

    credentials = ["primary", "admin"]
    # The first microversion with which a server can be created without a network.
    min_microversion = "2.37"

    @classmethod
    def skip_checks(cls) -> None:
        super().skip_checks()
        if not (CONF.service_available.nova and CONF.service_available.xloud):
            raise cls.skipException("[service_available] nova and xloud have to be true")
        api_version_utils.check_skip_with_microversion(
            cls.min_microversion,
            cls.max_microversion,
            CONF.compute.min_microversion,
            CONF.compute.max_microversion,
        )

    @classmethod
    def setup_credentials(cls) -> None:
        cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls) -> None:
        super().setup_clients()
        cls.servers = cls.os_primary.servers_client
        cls.xloud = cls.os_primary.xloud.XloudClient()
        cls.admin_servers = cls.os_admin.servers_client
        cls.admin_xloud = cls.os_admin.xloud.XloudClient()
        cls.flavors = cls.os_admin.flavors_client
        cls.placement = cls.os_admin.placement_client
        cls.providers = cls.os_admin.resource_providers_client

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.setup_api_microversion_fixture(
            compute_microversion=api_version_utils.select_request_microversion(
                cls.min_microversion, CONF.compute.min_microversion
            )
        )
        options = CONF.xloud
        cls.minimum = Size(options.min_vcpus, options.min_memory_mb)
        cls.maximum = Size(options.max_vcpus, options.max_memory_mb)
        # Close to the minimum, because an emulated guest can be given few vCPUs in its life.
        cls.larger = Size(cls.minimum.vcpus + 1, cls.minimum.memory_mb + 64)
        cls.flavor_id = cls.create_flavor(cls.maximum, cls.minimum)

    @classmethod
    def create_flavor(cls, maximum: Size, minimum: Size | None = None) -> str:
        """Create a flavor with ``maximum`` as its size, and return its id.

        The flavor is deleted after the tests of the class.

        :param minimum: the extra specs minimum_cpu and minimum_memory; None: neither
        """
        flavor = cls.flavors.create_flavor(
            name=_name(cls),
            vcpus=maximum.vcpus,
            ram=maximum.memory_mb,
            disk=CONF.xloud.disk_gb,
        )["flavor"]
        cls.addClassResourceCleanup(_forgiving(cls.flavors.delete_flavor), flavor["id"])
        if minimum is not None:
            cls.flavors.set_flavor_extra_spec(
                flavor["id"],
                minimum_cpu=str(minimum.vcpus),
                minimum_memory=str(minimum.memory_mb),
            )
        return str(flavor["id"])

    @classmethod
    def create_server(cls, flavor_id: str | None = None) -> str:
        """Create a server, wait until it is active, and return its id.

        The server is deleted after the tests of the class.

        :param flavor_id: default: the flavor ``flavor_id`` of the class
        """
        server = cls.servers.create_server(
            name=_name(cls),
            flavorRef=flavor_id or cls.flavor_id,
            imageRef=CONF.compute.image_ref,
            networks="none",
        )["server"]
        # Cleanups run in reverse order: the server is deleted, and then waited for.
        cls.addClassResourceCleanup(cls.wait_gone, server["id"])
        cls.addClassResourceCleanup(_forgiving(cls.servers.delete_server), server["id"])
        cls.wait_server(server["id"], "ACTIVE")
        return str(server["id"])

    @classmethod
    def wait_until(cls, what: str, probe: Callable[[], bool], seconds: float | None = None) -> None:
        """Call ``probe`` every half second until it returns True.

        :param what: what is waited for, for the message of the error
        :param seconds: default: ``[xloud] adjust_timeout``
        :raises tempest.lib.exceptions.TimeoutException: ``probe`` did not return True in time
        """
        if not test_utils.call_until_true(
            probe, seconds or CONF.xloud.adjust_timeout, POLL_SECONDS
        ):
            raise lib_exc.TimeoutException(f"waited for {what}")

    @classmethod
    def wait_server(cls, server_id: str, wanted: str) -> None:
        """Wait until the server has the status ``wanted`` and no task state.

        :raises tempest.lib.exceptions.TempestException: the server is in ERROR instead
        :raises tempest.lib.exceptions.TimeoutException: it does not have them within ``[compute]
            build_timeout``
        """

        def reached() -> bool:
            server = cls.servers.show_server(server_id)["server"]
            if server["status"] == "ERROR" != wanted:
                raise lib_exc.TempestException(f"{server_id} is in ERROR: {server.get('fault')}")
            return server["status"] == wanted and server["OS-EXT-STS:task_state"] is None

        cls.wait_until(f"{server_id} to be {wanted}", reached, CONF.compute.build_timeout)

    @classmethod
    def wait_gone(cls, server_id: str) -> None:
        """Wait until Nova does not find the server any more.

        :raises tempest.lib.exceptions.TimeoutException: Nova still finds it after ``[compute]
            build_timeout``
        """

        def gone() -> bool:
            try:
                cls.servers.show_server(server_id)
            except lib_exc.NotFound:
                return True
            return False

        cls.wait_until(f"{server_id} to be gone", gone, CONF.compute.build_timeout)

    def status(self, server_id: str) -> dict[str, Any]:
        """Return the server's xloud_status, as the server's owner sees it."""
        return dict(self.xloud.show_status(server_id)["xloud_status"])

    def claim(self, server_id: str) -> Size | None:
        """Return the sums of VCPU and of MEMORY_MB in the server's allocations in Placement.

        :returns: None if there are no allocations
        """
        allocations = self.placement.list_allocations(server_id)["allocations"]
        held = [provider["resources"] for provider in allocations.values()]
        if not held:
            return None
        return Size(
            sum(resources.get("VCPU", 0) for resources in held),
            sum(resources.get("MEMORY_MB", 0) for resources in held),
        )

    def witnesses(self, server_id: str) -> tuple[dict[str, Any], Size | None]:
        """Return the server's xloud-status and its claim, to be compared with later ones.

        The conditions of the status are returned without ``since``.
        """
        status = self.status(server_id)
        for condition in status["conditions"]:
            # For a server that was never adjusted, "since" is the time of the answer.
            del condition["since"]
        return status, self.claim(server_id)

    def holders(self, server_id: str) -> list[str]:
        """Return the names of the resource providers with an allocation for the server, sorted.

        The name of a compute node's provider is the host name of the node's hypervisor.
        """
        allocations = self.placement.list_allocations(server_id)["allocations"]
        found = self.providers.list_resource_providers()["resource_providers"]
        names = {provider["uuid"]: provider["name"] for provider in found}
        return sorted(names[uuid] for uuid in allocations)

    def wait_settled(self, server_id: str, size: Size) -> None:
        """Wait until a running server has ``size``, and assert that its claim is ``size`` too.

        It has ``size`` when its desired, reserved, actuated and observed size all are ``size``, and
        no condition says that it is still converging. An observed number that is unknown is
        ignored, such as the vCPUs of a guest without an agent.

        :raises tempest.lib.exceptions.TimeoutException: it does not have ``size`` within ``[xloud]
            adjust_timeout``
        """
        wanted = [{size.vcpus}, {size.memory_mb}]

        def settled() -> bool:
            status = self.status(server_id)
            numbers = [_four_numbers(status[each]) for each in ("vcpus", "memory_mb")]
            return numbers == wanted and not _is_converging(status)

        try:
            self.wait_until(f"{server_id} to have {size}", settled)
        except lib_exc.TimeoutException as error:
            told = json.dumps(self.status(server_id))
            raise lib_exc.TimeoutException(f"{error}; its status: {told}") from error
        self.assertEqual(size, self.claim(server_id))

    def adjust_to(self, server_id: str, size: Size, **more: Any) -> None:
        """Adjust a server as an administrator, and wait until it has ``size`` and has converged.

        :param more: further members of the request, such as ``persist``
        """
        self.admin_xloud.adjust(server_id, **size.asked, **more)
        self.wait_settled(server_id, size)

    def need_following_guest(self) -> None:
        """Skip the test if ``[xloud] guest_follows`` is false."""
        if not CONF.xloud.guest_follows:
            raise self.skipException("[xloud] guest_follows is false")


def _name(cls: type) -> str:
    return str(data_utils.rand_name(cls.__name__, prefix=CONF.resource_name_prefix))


def _forgiving(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls ``call`` and ignores ``NotFound``, for use in cleanups."""

    def forgiving(*args: Any) -> Any:
        return test_utils.call_and_ignore_notfound_exc(call, *args)

    return forgiving


def _four_numbers(status: dict[str, Any]) -> set[Any]:
    seen = {status["observed"]} - {None}
    return {status[name] for name in ("desired", "reserved", "actuated")} | seen


def _is_converging(status: dict[str, Any]) -> bool:
    """Return whether the status has the condition Converged, and that is false."""
    return any(
        condition["type"] == "Converged" and not condition["status"]
        for condition in status["conditions"]
    )
