"""One host of 32 units in an in-process cloud: how many servers it takes, and a load on them.

Nova's services and Placement are real, the guests are fakes that follow at once.
"""

import logging
import pathlib
import sys
import unittest

from nova.conf import CONF
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api.client import OpenStackApiException

from tests.bench import load
from tests.functional.base import XloudTestCase

UNITS = 32
UNIT_MB = 512
_RESERVED_MB = 512
PASTE = str(pathlib.Path(sys.prefix, "etc/nova/api-paste.ini"))


class OneHost(XloudTestCase):
    """Nova's functional test case, kept open: :meth:`measure` is the test.

    :cvar job: what to do with it, a function of the case
    """

    boot_grace = 0
    job = None

    def setUp(self):
        super().setUp()
        # Nova's fixtures say that any host has 16 CPUs online.
        self.flags(cpu_allocation_ratio=UNITS / 16, reserved_host_memory_mb=_RESERVED_MB)
        self.flags(instances=-1, group="quota")
        # Nobody comes between: what is measured is what is asked for.
        self.flags(reconcile_interval=0, group="xloud")
        # Nova's fake answers with it, as it is, where libvirt answers with MiB.
        memory = UNITS * UNIT_MB + _RESERVED_MB
        self.start_compute(
            "host1",
            host_info=fakelibvirt.HostInfo(
                cpu_nodes=1, cpu_sockets=1, cpu_cores=4, cpu_threads=2, kB_mem=memory
            ),
        )
        self._check_capacity()

    def _check_capacity(self):
        """What Placement lets the host give away is what this module says."""
        inventory = self._get_provider_inventory(self.compute_rp_uuids["host1"])
        for resource, expected in (("VCPU", UNITS), ("MEMORY_MB", UNITS * UNIT_MB)):
            one = inventory[resource]
            capacity = (one["total"] - one["reserved"]) * one["allocation_ratio"]
            assert capacity == expected, f"{resource}: {capacity} and not {expected}"

    def measure(self):
        """The job."""
        self.job()
        # Nova says at length that it ends.
        logging.disable()

    def fill(self, flavor, at_most):
        """Boot servers of a flavor until the host has no room; returns them."""
        servers = []
        while len(servers) < at_most:
            body = self._build_server(flavor_id=flavor, networks="none")
            server = self.admin_api.post_server({"server": body})
            server = self._wait_for_server_parameter(
                server, {"OS-EXT-STS:task_state": None}, max_retries=50
            )
            if server["status"] == "ERROR":
                assert "No valid host" in server["fault"]["message"], server["fault"]
                self._delete_server(server)
                break
            servers.append(server)
        return servers

    def elastic_flavor(self):
        """From one unit to four."""
        return self.flavor_of(
            load.MOST, minimum_cpu=load.LEAST, minimum_memory=load.LEAST * UNIT_MB
        )

    def flavor_of(self, units, **extra_specs):
        """A flavor; its disk is small, so that units are what the host runs out of."""
        specs = {name: str(value) for name, value in extra_specs.items()}
        return self._create_flavor(
            vcpu=units, memory_mb=units * UNIT_MB, disk=1, ephemeral=0, extra_spec=specs
        )

    def adjust(self, server, units):
        """Ask for so many units; returns whether it was admitted.

        :raises OpenStackApiException: it was refused, and not because the host has no room
        """
        body = {"current_vcpus": units, "current_memory_mb": units * UNIT_MB}
        try:
            self.admin_api.api_post(
                f"/os-xloud-adjust/{server['id']}", body, check_response_status=[202]
            )
        except OpenStackApiException as error:
            if "xloud.no_capacity" not in error.response.text:
                raise
            return False
        return True

    def wait_for(self, servers):
        """Until all of them have what they were admitted to."""
        for server in servers:
            self._wait(lambda server=server: self._has_converged(server))

    def _has_converged(self, server):
        url = f"/servers/{server['id']}/xloud-status"
        status = self.admin_api.api_get(url).body["xloud_status"]
        reached = [one for one in status["conditions"] if one["type"] == "Converged"]
        assert reached[0]["status"], status


def run(job):
    """Open the cloud and do a job in it; returns what the job returns.

    :param job: called with the :class:`OneHost`
    :raises RuntimeError: the cloud failed; the traceback is in the message
    """
    CONF.set_override("api_paste_config", PASTE, "wsgi")
    found = []
    OneHost.job = lambda case: found.append(job(case))
    result = unittest.TestResult()
    OneHost("measure").run(result)
    for _, traceback in result.errors + result.failures:
        raise RuntimeError(traceback)
    return found[0]
