# SPDX-License-Identifier: Apache-2.0
"""A cloud with quotas, and a tenant's elastic server in it.

A server here is between 1 / 512 and 4 / 1024, and belongs to a tenant; the admin who adjusts it is
of another project.
"""

from nova.tests.functional.api.client import OpenStackApiException

from tests.functional.base import AdjustTestCase

TENANT, OTHERS = "tenant", "project-of-the-admin"
PLENTY = 1_000_000


class QuotaTestCase(AdjustTestCase):
    """With quotas that allow plenty, so that they are checked; a test limits what it is about.

    :cvar CORES: what the driver calls the vCPUs
    :cvar RAM: what the driver calls the memory
    """

    CORES, RAM = "cores", "ram"

    def setUp(self):
        super().setUp()
        self._limit()

    def _elastic(self):
        self.user_api = self.api_fixture.api
        self.user_api.microversion = "latest"
        self.user_api.project_id, self.admin_api.project_id = TENANT, OTHERS
        self.flavor = self._flavor(minimum_cpu=1, minimum_memory=512)
        self.stock = self._flavor()
        return self._create()

    def _create(self, flavor=None, **options):
        return self._boot(flavor or self.flavor, api=self.user_api, **options)

    def _limit(self, cores=PLENTY, ram=PLENTY):
        self.flags(cores=cores, ram=ram, group="quota")

    def _usage(self):
        used = self.user_api.api_get("/limits").body["limits"]["absolute"]
        return used["totalCoresUsed"], used["totalRAMUsed"]

    def _forbidden(self, call, *args, **kwargs):
        error = self.assertRaises(OpenStackApiException, call, *args, **kwargs)
        assert error.response.status_code == 403, error.response.text
        return error.response.text

    def _quota_exceeded(self, *words, server=None, **body):
        text = self._forbidden(self._adjust, server, **body)
        for word in ("xloud.quota", *words):
            assert word in text, text

    def _grown_to(self, vcpus, memory_mb=512):
        self._adjust(current_vcpus=vcpus, current_memory_mb=memory_mb)
        self._has(vcpus, memory_mb)

    def _action(self, name, body=None):
        self.admin_api.post_server_action(self.server["id"], {name: body})
