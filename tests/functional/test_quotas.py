# SPDX-License-Identifier: Apache-2.0
"""Quotas count what instances hold, and a request by what it will hold: by each of Nova's drivers.

A server here is between 1 / 512 and 4 / 1024, and belongs to a tenant; the admin who adjusts it is
of another project.
"""

from unittest import mock

import requests
from keystoneauth1 import exceptions as ks_exc
from nova.limit import local as local_limit
from openstack import exceptions as sdk_exc
from oslo_limit import exception as limit_exceptions
from oslo_limit import fixture as limit_fixture
from oslo_limit import limit

from nova_xloud import releases
from tests.functional.quota_case import PLENTY, TENANT, QuotaTestCase
from tests.functional.quotas_of_adjustments import QuotasOfAdjustments
from tests.functional.quotas_of_operations import QuotasOfOperations

KEYSTONE = "oslo_limit.limit._get_keystone_connection"
# LimitFixture replaces it.
ASKS_KEYSTONE = limit.Enforcer._get_enforcement_model


def _answer(status, body=b""):
    answer = requests.Response()
    answer.status_code, answer._content = status, body
    return answer


ILL = _answer(500)


class Legacy(QuotasOfAdjustments, QuotasOfOperations, QuotaTestCase):
    """Counted in the database."""

    COUNTED_WHEN_RESTORED = 1
    UNSHELVE_NEEDS = False

    def test_the_quota_of_its_user_is_asked_too(self):
        user_id = self._record(self.server).user_id
        self.admin_api.update_quota({"cores": 2}, TENANT, user_id)
        whose = "user" if releases.major() >= 34 else "project or user"
        self._quota_exceeded(
            f"the server's {whose} would",
            "cores: asked 2 more, used 1, allowed 2",
            current_vcpus=3,
        )
        self._grown_to(2)

    def test_the_quota_of_its_user_is_asked_where_the_projects_is_unlimited(self):
        self._limit(cores=-1)
        user_id = self._record(self.server).user_id
        self.admin_api.update_quota({"cores": 2}, TENANT, user_id)
        self._quota_exceeded("cores: asked 2 more, used 1, allowed 2", current_vcpus=3)
        self._grown_to(2)


class CountedInPlacement(QuotasOfAdjustments, QuotasOfOperations, QuotaTestCase):
    """Counted by what Placement holds."""

    REVERT_NEEDS = False

    def setUp(self):
        super().setUp()
        self.flags(count_usage_from_placement=True, group="quota")

    def test_where_usage_cannot_be_counted_nothing_is_admitted(self):
        usages = "nova.scheduler.client.report.SchedulerReportClient._get_usages"
        for away in ({"side_effect": ks_exc.ConnectFailure("away")}, {"return_value": ILL}):
            with mock.patch(usages, **away):
                self._refused(503, "xloud.placement_unavailable", current_vcpus=2)
        self._has(1, 512)


class UnifiedLimits(QuotasOfAdjustments, QuotasOfOperations, QuotaTestCase):
    """Limits of Keystone, counted by what Placement holds."""

    CORES, RAM = "class:VCPU", "class:MEMORY_MB"
    OLD_COUNTS = True
    REVERT_NEEDS = False

    def setUp(self):
        registered = dict.fromkeys(
            (
                local_limit.SERVER_METADATA_ITEMS,
                local_limit.INJECTED_FILES,
                local_limit.INJECTED_FILES_CONTENT,
                local_limit.INJECTED_FILES_PATH,
                local_limit.KEY_PAIRS,
                local_limit.SERVER_GROUPS,
                local_limit.SERVER_GROUP_MEMBERS,
                "servers",
                "class:VCPU",
                "class:MEMORY_MB",
                "class:DISK_GB",
            ),
            PLENTY,
        )
        self.limits = {TENANT: {}}
        self.limit_fixture = self.useFixture(limit_fixture.LimitFixture(registered, self.limits))
        super().setUp()
        self.flags(driver="nova.quota.UnifiedLimitsDriver", group="quota")

    def _limit(self, cores=PLENTY, ram=PLENTY):
        self.limits[TENANT] = {"class:VCPU": cores, "class:MEMORY_MB": ram}

    def test_where_keystone_has_no_usable_answer_nothing_is_admitted(self):
        before = dict(self._record(self.server).system_metadata)
        for answer in (
            _answer(503, b"<html>Service Unavailable</html>"),
            _answer(500, b'{"error": {"code": 500}}'),
            _answer(200, b"[]"),
            _answer(200, b'{"model": {"name": "none"}}'),
            sdk_exc.HttpException("500: Server Error"),
            requests.ConnectionError("away"),
            ks_exc.ConnectFailure("away"),
        ):
            keystone = mock.Mock()
            keystone.get.side_effect = [answer]
            with (
                mock.patch(KEYSTONE, return_value=keystone),
                mock.patch.object(limit.Enforcer, "_get_enforcement_model", ASKS_KEYSTONE),
            ):
                text = self._refused(503, "xloud.placement_unavailable", current_vcpus=2)
            assert "the quota could not be checked" in text, text
            assert keystone.method_calls[0] == mock.call.get("/limits/model")
        for away in (limit_exceptions.SessionInitError("no"), ks_exc.Unauthorized()):
            with mock.patch(KEYSTONE, side_effect=away):
                self._refused(503, "xloud.placement_unavailable", current_vcpus=2)
        self._has(1, 512)
        assert dict(self._record(self.server).system_metadata) == before

    def test_where_keystone_does_not_return_the_limits_nothing_is_admitted(self):
        # The project has none of its own, so the registered ones are read too.
        self.limits[TENANT] = {}
        for name, away in (
            ("get_endpoint", sdk_exc.HttpException("500: Server Error")),
            ("registered_limits", sdk_exc.HttpException("500: Server Error")),
            ("limits", sdk_exc.SDKException("no")),
        ):
            with mock.patch.object(self.limit_fixture.mock_conn, name, mock.Mock(side_effect=away)):
                self._refused(503, "xloud.placement_unavailable", current_vcpus=2)
        self._has(1, 512)


class OtherDrivers(QuotaTestCase):
    def test_without_quotas_nothing_is_asked(self):
        self._limit(cores=1)
        self.flags(driver="nova.quota.NoopQuotaDriver", group="quota")
        self._grown_to(4)
