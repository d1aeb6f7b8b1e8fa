# SPDX-License-Identifier: Apache-2.0
"""Quotas count what instances hold, and a request by what it will hold: by each of Nova's drivers.

A server here is between 1 / 512 and 4 / 1024, and belongs to a tenant; the admin who adjusts it is
of another project.
"""

import contextlib
from unittest import mock

import fixtures
import greenlet
import nova.conf
import oslo_messaging as messaging
import pytest
import requests
from keystoneauth1 import exceptions as ks_exc
from nova import context as nova_context
from nova import exception, objects
from nova.conductor.manager import ComputeTaskManager
from nova.limit import local as local_limit
from nova.tests.functional.api.client import OpenStackApiException
from oslo_limit import fixture as limit_fixture
from oslo_limit import limit
from oslo_utils.fixture import uuidsentinel

from nova_xloud import releases
from nova_xloud.adapters import nova_objects
from nova_xloud.api import quotas
from nova_xloud.api.adjustment import AdjustmentAPI
from nova_xloud.compute import admit as admission
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.size import Size
from nova_xloud.errors import HostUnavailable, HostUnsupported, NoCapacity, PlacementUnavailable
from nova_xloud.rpc.client import XloudAPI
from nova_xloud.seams import quotas as seam
from nova_xloud.testing import Behaviour
from tests.functional.base import AdjustTestCase

TENANT, OTHERS = "tenant", "project-of-the-admin"
PLENTY = 1_000_000
ILL = requests.Response()
ILL.status_code = 500
ENCRYPTED = {
    "id": uuidsentinel.encrypted,
    "name": "encrypted",
    "status": "active",
    "container_format": "raw",
    "disk_format": "raw",
    "min_disk": 0,
    "min_ram": 0,
    "size": 1,
    "properties": {
        "hw_mem_encryption": "true",
        "hw_firmware_type": "uefi",
        "hw_machine_type": "q35",
    },
}


class QuotaTestCase(AdjustTestCase):
    """With quotas that allow plenty, so that they are looked at; a test limits what it is about."""

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


class EveryDriver:
    """What is the same with each of them.

    :cvar CORES: what it calls the vCPUs, and likewise
    :cvar RAM: the memory
    """

    CORES, RAM = "cores", "ram"

    # --- what is counted -------------------------------------------------------------------------

    def test_what_it_holds_is_counted_whatever_its_flavor(self):
        assert self._usage() == (1, 512)
        self._grown_to(3, 768)
        assert self._usage() == (3, 768)
        self._grown_to(2, 512)
        assert self._usage() == (2, 512)

    def test_what_a_guest_does_not_give_back_is_counted(self):
        self._grown_to(3)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        self._adjust(current_vcpus=1)
        self._failed("vcpus_not_removed")
        assert self._usage() == (3, 512)

    def test_deleted_with_its_host_down_nothing_is_counted(self):
        self._grown_to(3)
        self.computes["host1"].stop()
        service = self.admin_api.get_services(host="host1", binary="nova-compute")[0]
        self.admin_api.put_service_force_down(service["id"], True)
        self._delete_server(self.server)
        assert self._usage() == (0, 0)

    # --- create ----------------------------------------------------------------------------------

    def test_created_it_counts_its_boot_size(self):
        self._limit(cores=3, ram=1024 + 512)
        self._create()
        self._forbidden(self._create, self.stock)
        self._create()
        assert self.CORES in self._forbidden(self._create)
        self._limit(ram=4 * 512 - 1)
        assert self.RAM in self._forbidden(self._create)

    def test_several_at_once_count_their_boot_sizes(self):
        self._limit(cores=3)
        body = self._build_server(flavor_id=self.flavor, networks="none")
        body |= {"min_count": 2, "max_count": 4, "return_reservation_id": False}
        self.user_api.post_server({"server": body})
        # All of them: the cloud is not taken away from those that are being built.
        for server in self.user_api.get_servers(detail=False):
            self._wait_for_state_change(server, "ACTIVE")
        assert self._usage() == (3, 3 * 512)

    def test_a_stock_flavor_counts_what_it_always_did(self):
        self._limit(cores=4, ram=PLENTY)
        self._forbidden(self._create, self.stock)
        self._limit(cores=5, ram=512 + 1024)
        self._create(self.stock)
        assert self._usage() == (5, 512 + 1024)

    def test_memory_that_the_image_pins_counts_whole(self):
        self.glance.create(None, dict(ENCRYPTED))
        self._limit(ram=512 + 1023)
        text = self._forbidden(self._create, image_uuid=uuidsentinel.encrypted)
        assert self.RAM in text
        self._create()

    def test_rechecked_it_counts_what_is_held(self):
        schedule = ComputeTaskManager._schedule_instances
        allowed = [2, 1]

        def scheduled(*args, **kwargs):
            # What others of the project get at the same moment has the same effect.
            self._limit(cores=allowed.pop(0))
            return schedule(*args, **kwargs)

        with mock.patch.object(ComputeTaskManager, "_schedule_instances", scheduled):
            self._limit()
            self._delete_server(self._create())
            self._limit()
            self._forbidden(self._create)

    # --- adjust ----------------------------------------------------------------------------------

    def test_an_adjustment_above_the_quota_is_refused_with_the_numbers(self):
        before = dict(self._record(self.server).system_metadata)
        self._limit(cores=2, ram=600)
        with mock.patch.object(XloudAPI, "_call") as asked_the_host:
            self._quota_exceeded(
                f"{self.CORES}: asked 2 more, used 1, allowed 2",
                "have the quota raised",
                current_vcpus=3,
            )
        asked_the_host.assert_not_called()
        self._quota_exceeded(
            f"{self.RAM}: asked 512 more, used 512, allowed 600", current_memory_mb=1024
        )
        self._quota_exceeded(
            f"{self.CORES}: asked 3 more",
            f"{self.RAM}: asked 100 more",
            current_vcpus=4,
            current_memory_mb=612,
        )
        self._has(1, 512)
        assert dict(self._record(self.server).system_metadata) == before
        assert self._events("xloud_adjust") == []

    def test_an_adjustment_within_the_quota_is_admitted_to_the_last(self):
        self._limit(cores=3, ram=768)
        self._grown_to(3, 768)
        self._quota_exceeded(f"{self.CORES}: asked 1 more, used 3, allowed 3", current_vcpus=4)

    def test_only_what_grows_is_asked_for(self):
        self._grown_to(3, 768)
        self._limit(cores=1, ram=1024)
        self._grown_to(3, 1024)
        self._limit(cores=1, ram=1)
        self._grown_to(2, 512)
        self._adjust(current_vcpus=2)

    def test_what_others_of_the_project_hold_counts_and_another_project_does_not(self):
        self._limit(cores=4)
        self._boot(self.stock, api=self.admin_api)
        self._grown_to(3)
        self._create()
        self._quota_exceeded("used 4, allowed 4", current_vcpus=4)

    def test_until_it_stops_counts_too(self):
        self._limit(cores=2)
        self._quota_exceeded("asked 2 more", current_vcpus=3, persist=False)
        self._adjust(current_vcpus=2, persist=False)
        self._wait(lambda: self._reserves(2))

    def test_a_stopped_server_is_asked_too(self):
        self._action("os-stop")
        self._wait_for_state_change(self.server, "SHUTOFF")
        self._limit(cores=2)
        self._quota_exceeded("asked 2 more", current_vcpus=3)
        self._adjust(current_vcpus=2)
        assert self._usage() == (2, 512)

    def test_a_server_of_a_stock_flavor_is_asked_when_it_grows_back(self):
        self.server = self._create(self.stock)
        self._has(4, 1024)
        self._limit(ram=512 + 800)
        self._adjust(current_memory_mb=512)
        self._has(4, 512)
        self._quota_exceeded("asked 512 more, used 1024, allowed 1312", current_memory_mb=1024)
        self._adjust(current_memory_mb=800)
        self._has(4, 800)

    def test_above_the_flavor_it_is_the_bounds_that_are_named(self):
        self._limit(cores=1)
        self._refused(400, "xloud.out_of_bounds", current_vcpus=5)

    def test_a_plan_says_that_the_quota_refuses(self):
        self._limit(cores=2)
        before = dict(self._record(self.server).system_metadata)
        answer = self._planned(current_vcpus=3)
        assert answer["admitted"] is False
        assert answer["refusal"]["code"] == "xloud.quota"
        assert "asked 2 more, used 1, allowed 2" in answer["refusal"]["message"]
        assert answer["claim"] == {"vcpus": 3, "memory_mb": 512}
        assert self._planned(current_vcpus=2)["admitted"] is True
        self._has(1, 512)
        assert dict(self._record(self.server).system_metadata) == before

    def _planned(self, **body):
        url = f"/os-xloud-adjust/{self.server['id']}"
        answer = self.admin_api.api_post(url, {**body, "dry_run": True})
        return answer.body["plan"]

    def _reserves(self, vcpus):
        assert self._reserved(self.server)["VCPU"] == vcpus

    # --- two adjustments at once -----------------------------------------------------------------

    @contextlib.contextmanager
    def _racing(self):
        """Two servers ask for one more each, and each is looked at before the other holds it."""
        other = self._create()
        self._has(1, 512, other)
        reserve, answers = XloudAPI.reserve, []

        def after_the_other(api, context, instance, request):
            if not answers:
                answers.append(None)
                answers.append(self._adjust(other, current_vcpus=2))
            return reserve(api, context, instance, request)

        with mock.patch.object(XloudAPI, "reserve", after_the_other):
            self._limit(cores=3)
            yield
        self._has(2, 512, other)

    def test_of_two_concurrent_growths_the_quota_admits_one(self):
        before = dict(self._record(self.server).system_metadata)
        told = self.guests.domain(self.server["id"])
        with mock.patch.object(told, "set_vcpus") as set_vcpus:
            with self._racing():
                self._quota_exceeded(
                    f"{self.CORES}: asked 1 more, used 3, allowed 3", current_vcpus=2
                )
            # Given back, and nobody has told the guest anything.
            self._has(1, 512)
            set_vcpus.assert_not_called()
        assert self._usage() == (3, 1024)
        assert self._events("xloud_adjust") == []
        assert dict(self._record(self.server).system_metadata) == before

    def test_refused_concurrent_growth_leaves_no_claim(self):
        with self._racing():
            self._quota_exceeded("used 3, allowed 3", current_vcpus=2)
            self._has(1, 512)
        # And there is nothing left of it: one more is let through to the last.
        self._limit(cores=4)
        self._grown_to(2)
        assert self._usage() == (4, 1024)
        assert self._reserved(self.server)["VCPU"] == 2

    # --- what it costs ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _calls_to_the_host(self):
        """The ``xloud`` calls that an adjustment waits for; the test asks for statuses."""
        real, calls = XloudAPI._ask, []

        def ask(api, context, instance, method, *args, **kwargs):
            if method != "status":
                calls.append(method)
            return real(api, context, instance, method, *args, **kwargs)

        with mock.patch.object(XloudAPI, "_ask", ask):
            yield calls

    @contextlib.contextmanager
    def _nothing_is_counted(self):
        with (
            mock.patch.object(objects.Quotas, "check_deltas") as in_database,
            mock.patch.object(limit.Enforcer, "enforce") as in_placement,
        ):
            yield
        in_database.assert_not_called()
        in_placement.assert_not_called()

    def test_where_the_quota_is_unlimited_a_growth_is_one_call_and_nothing_is_counted(self):
        self._limit(cores=-1, ram=-1)
        self._grown_to(2)
        with self._nothing_is_counted(), self._calls_to_the_host() as calls:
            self._grown_to(4, 1024)
        assert calls == ["adjust"]

    def test_where_all_that_grows_is_unlimited_it_is_one_call_too(self):
        self._limit(cores=-1, ram=512)
        self._grown_to(2)
        with self._nothing_is_counted(), self._calls_to_the_host() as calls:
            self._grown_to(4)
        assert calls == ["adjust"]
        self._quota_exceeded(f"{self.RAM}: asked 1 more", current_memory_mb=513)

    def test_where_it_has_a_limit_a_growth_is_two_calls_and_a_shrink_one(self):
        self._limit(cores=4)
        with self._calls_to_the_host() as calls:
            self._grown_to(2)
            assert calls == ["now", "reserve", "adjust"]
            calls.clear()
            self._grown_to(4)
            assert calls == ["reserve", "adjust"]
            calls.clear()
            self._grown_to(1)
            assert calls == ["adjust"]

    def test_the_second_call_does_not_read_the_guest(self):
        self._limit(cores=4)
        read = mock.Mock(side_effect=admission.decide_now)
        with mock.patch.object(admission, "decide_now", read):
            self._grown_to(3)
        assert read.call_count == 1

    # --- what is given back ----------------------------------------------------------------------

    def test_one_that_fails_after_it_has_reserved_gives_it_back(self):
        with mock.patch.object(XloudAPI, "adjust", side_effect=HostUnavailable("just now")):
            self._refused(409, "xloud.host_unavailable", current_vcpus=3)
        self._has(1, 512)

    def test_what_is_reserved_is_given_back_whatever_ends_the_request(self):
        for error in (
            HostUnavailable("no answer"),
            PlacementUnavailable("no answer"),
            messaging.MessageDeliveryFailure("the broker is away"),
            # How a WSGI server ends a request that it has no time for.
            SystemExit(),
            greenlet.GreenletExit(),
        ):
            for name in ("reserve", "adjust"):
                real = getattr(XloudAPI, name)

                def answer_is_lost(api, *arguments, name=name, real=real, error=error):
                    if name == "reserve":
                        real(api, *arguments)
                    raise error

                with mock.patch.object(XloudAPI, name, answer_is_lost):
                    instance, asked = self._record(self.server), AdjustRequest(3, None)
                    with pytest.raises(type(error)):
                        AdjustmentAPI().xloud_adjust(self._context(), instance, asked)
                self._has(1, 512)

    def test_a_refusal_begins_no_run(self):
        with (
            mock.patch.object(XloudAPI, "reserve", side_effect=NoCapacity("full")),
            mock.patch.object(XloudAPI, "unreserve") as unreserve,
        ):
            self._refused(409, "xloud.no_capacity", current_vcpus=3)
        unreserve.assert_not_called()

    def test_admitted_adjustment_keeps_its_claim_when_the_answer_is_lost(self):
        adjust = XloudAPI.adjust

        def answer_is_lost(api, *arguments):
            adjust(api, *arguments)
            raise HostUnavailable("no answer")

        with mock.patch.object(XloudAPI, "adjust", answer_is_lost):
            self._refused(409, "xloud.host_unavailable", current_vcpus=3)
        self._has(3, 512)

    def _context(self):
        return nova_context.RequestContext("u", self.server["tenant_id"], is_admin=True)

    def test_pass_releases_a_reservation_whose_api_died(self):
        self._has(1, 512)
        context = nova_context.get_admin_context()
        XloudAPI().reserve(context, self._record(self.server), AdjustRequest(3, None))
        assert self._usage() == (3, 512)
        self.computes["host1"].manager.xloud.reconcile()
        self._has(1, 512)

    def test_without_recheck_nothing_is_reserved_beforehand(self):
        self.flags(recheck_quota=False, group="quota")
        with mock.patch.object(XloudAPI, "reserve") as reserve:
            self._grown_to(2)
        reserve.assert_not_called()

    def test_host_without_reserve_has_the_quota_checked_once(self):
        older = HostUnsupported("its nova-xloud does not know reserve 1.2")
        with mock.patch.object(XloudAPI, "reserve", side_effect=older):
            self._limit(cores=2)
            self._quota_exceeded("asked 2 more", current_vcpus=3)
            self._grown_to(2)

    # --- restore ---------------------------------------------------------------------------------

    # How often a server that is deleted softly is counted when it is restored: Placement goes on
    # to hold its allocation.
    COUNTED_WHEN_RESTORED = 2

    def test_restored_it_counts_what_it_held(self):
        self.flags(reclaim_instance_interval=3600)
        self._grown_to(3, 768)
        self.admin_api.delete_server(self.server["id"])
        self._wait_for_state_change(self.server, "SOFT_DELETED")
        times = self.COUNTED_WHEN_RESTORED
        self._limit(cores=3 * times - 1)
        assert self.CORES in self._forbidden(self._action, "restore", {})
        self._limit(ram=768 * times - 1)
        assert self.RAM in self._forbidden(self._action, "restore", {})
        self._limit(cores=3 * times, ram=768 * times)
        self._action("restore", {})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._wait(lambda: self._uses(3, 768))

    def _uses(self, *size):
        assert self._usage() == size

    # --- resize ----------------------------------------------------------------------------------

    # What of its old size it is asked for in addition: by unified limits all of it, as Nova does.
    OLD_COUNTS = False

    def _resizing(self):
        self.flags(allow_resize_to_same_host=True)
        self.larger = self._flavor(vcpus=8, memory_mb=2048, minimum_cpu=2, minimum_memory=512)
        moved = "nova.virt.libvirt.driver.LibvirtDriver.migrate_disk_and_power_off"
        self.useFixture(fixtures.MockPatch(moved, return_value="{}"))

    def _resize(self, flavor):
        self._action("resize", {"flavorRef": flavor})
        self._wait_for_state_change(self.server, "VERIFY_RESIZE")

    def _resize_forbidden(self, flavor):
        text = self._forbidden(self._action, "resize", {"flavorRef": flavor})
        assert self.CORES in text, text

    def test_resized_it_counts_from_what_it_holds_to_what_it_will_hold(self):
        self._resizing()
        old = 1 if self.OLD_COUNTS else 0
        self._limit(cores=1 + old)
        self._resize_forbidden(self.larger)
        self._limit(cores=2 + old)
        self._resize(self.larger)

    def test_resized_to_less_than_it_has_grown_to(self):
        self._resizing()
        self._grown_to(3)
        old = 3 if self.OLD_COUNTS else 0
        self._limit(cores=3 + old)
        self._resize_forbidden(self.stock)
        self._limit(cores=max(2 + old, 3))
        self._resize(self.larger)

    # What it held before has to have room again.
    REVERT_NEEDS = True

    def test_reverted_it_counts_what_it_held_before(self):
        self._resizing()
        self._grown_to(3)
        self._resize(self.larger)
        if self.REVERT_NEEDS:
            self._limit(cores=2)
            assert self.CORES in self._forbidden(self._action, "revertResize")
            self._limit(cores=3)
        else:
            self._limit(cores=1)
        self._action("revertResize")
        self._wait_for_state_change(self.server, "ACTIVE")
        self._wait(lambda: self._record_holds(3, 512))

    def _record_holds(self, *size):
        record = self._record(self.server)
        assert (record.vcpus, record.memory_mb) == size

    # --- unshelve --------------------------------------------------------------------------------

    # Of one that is offloaded Placement holds nothing, so it has to have room again.
    UNSHELVE_NEEDS = True

    def test_unshelved_it_counts_what_is_persisted(self):
        self._grown_to(3, 768)
        self._shelve_server(self.server)
        if self.UNSHELVE_NEEDS:
            self._limit(cores=2)
            assert self.CORES in self._forbidden(self._action, "unshelve")
            self._limit(ram=767)
            assert self.RAM in self._forbidden(self._action, "unshelve")
            self._limit(cores=3, ram=768)
        else:
            assert self._usage() == (3, 768)
            self._limit(cores=1)
        self._unshelve_server(self.server)


class Legacy(EveryDriver, QuotaTestCase):
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


class CountedInPlacement(EveryDriver, QuotaTestCase):
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


class UnifiedLimits(EveryDriver, QuotaTestCase):
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
        self.useFixture(limit_fixture.LimitFixture(registered, self.limits))
        super().setUp()
        self.flags(driver="nova.quota.UnifiedLimitsDriver", group="quota")

    def _limit(self, cores=PLENTY, ram=PLENTY):
        self.limits[TENANT] = {"class:VCPU": cores, "class:MEMORY_MB": ram}


class OtherDrivers(QuotaTestCase):
    def test_without_quotas_nothing_is_asked(self):
        self._limit(cores=1)
        self.flags(driver="nova.quota.NoopQuotaDriver", group="quota")
        self._grown_to(4)


# --- without a cloud -----------------------------------------------------------------------------

STOCK = objects.Flavor(flavorid="stock", vcpus=4, memory_mb=1024, extra_specs={})
PINNED = objects.Flavor(
    flavorid="pinned",
    vcpus=4,
    memory_mb=1024,
    extra_specs={"hw:cpu_policy": "dedicated", "minimum_cpu": "1", "minimum_memory": "512"},
)


def _instance(flavor, **columns):
    return objects.Instance(
        uuid=uuidsentinel.server,
        project_id=TENANT,
        user_id="user",
        flavor=flavor,
        old_flavor=flavor,
        system_metadata={},
        image_ref="",
        **columns,
    )


@pytest.mark.parametrize(
    ("ours", "arguments"),
    [
        (seam.check_num_instances, (STOCK, 1, 2)),
        (seam.enforce, ("project", objects.RequestSpec(flavor=STOCK), 1, 2, None, None)),
        (seam.upsize_delta, (STOCK,)),
        (seam.check_upsize, (_instance(STOCK), STOCK, STOCK, False, False)),
        (seam.check_upsize, (_instance(STOCK), STOCK, STOCK, False, True)),
        (seam.check_unshelve, (_instance(STOCK), "request spec")),
        (seam.restore, ("context", _instance(STOCK))),
    ],
)
def test_stock_flavor_arguments_reach_nova_unchanged(ours, arguments):
    asked = mock.Mock(return_value="answer")
    ours(asked, STOCK, *arguments)
    ((found, _),) = asked.call_args_list
    assert len(found) == 1 + len(arguments)
    assert all(one is other for one, other in zip(found, (STOCK, *arguments), strict=True))


def test_what_a_flavor_counts_for_is_forgotten_when_the_request_is_over():
    instance = _instance(PINNED, vcpus=2, memory_mb=512)
    found = []

    def fails(*arguments):
        found.append(PINNED.xloud_counted)
        raise exception.OverQuota(overs="cores")

    with pytest.raises(exception.OverQuota):
        seam.restore(fails, "api", "context", instance)
    (counted,) = found
    assert counted.size == Size(2, 512)
    assert counted.classes == {"class:PCPU": 2, "class:MEMORY_MB": 512}
    assert not hasattr(PINNED, "xloud_counted")


def test_cpus_that_the_image_makes_dedicated_are_not_counted_twice():
    flavor = objects.Flavor(
        flavorid="elastic", vcpus=4, memory_mb=1024, extra_specs={"minimum_cpu": "1"}
    )
    image = objects.ImageMeta(properties=objects.ImageMetaProps(hw_cpu_policy="dedicated"))
    seam.count_as(flavor, Size(1, 1024), image)
    asked = mock.Mock()
    seam.enforce(asked, "context", "project", objects.RequestSpec(flavor=flavor), 1, 3)
    updates = asked.call_args.args[-1]
    assert updates == {"class:PCPU": 3, "class:MEMORY_MB": 3072, "class:VCPU": 0}


@pytest.fixture
def unified_limits():
    """Nova's configuration with unified limits; what Placement counts, and the enforcer's calls."""
    limits = {"servers": PLENTY, "class:VCPU": 5, "class:PCPU": 5, "class:MEMORY_MB": -1}
    usages = {"VCPU": 2, "PCPU": 2, "MEMORY_MB": 1024}
    conf = nova.conf.CONF
    conf.set_override("driver", "nova.quota.UnifiedLimitsDriver", "quota")
    conf.set_override("endpoint_id", "endpoint", "oslo_limit")
    usage = mock.patch(
        "nova.limit.placement._get_placement_usages", side_effect=lambda *a: dict(usages)
    )
    with limit_fixture.LimitFixture(limits, {}), usage:
        yield
    conf.clear_override("driver", "quota")
    conf.clear_override("endpoint_id", "oslo_limit")
    conf.clear_override("unified_limits_count_pcpu_as_vcpu", "workarounds")


@pytest.mark.parametrize(
    ("as_vcpu", "vcpus", "told"),
    [
        (False, 4, None),
        (False, 5, "class:PCPU: asked 4 more, used 2, allowed 5"),
        (True, 2, None),
        (True, 3, "class:VCPU: asked 2 more, used 4, allowed 5"),
    ],
)
def test_dedicated_cpus_are_asked_for_as_the_operator_counts_them(
    unified_limits, as_vcpu, vcpus, told
):
    nova.conf.CONF.set_override("unified_limits_count_pcpu_as_vcpu", as_vcpu, "workarounds")
    facts = nova_objects.facts_of(PINNED, None)
    # The memory is unlimited, and not in the numbers.
    growth = quotas.Growth(TENANT, "user", facts, Size(1, 512), Size(vcpus, 1024))
    refusal = quotas.refusal(nova_context.get_admin_context(), growth)
    assert told is None if refusal is None else told in refusal.message
    assert refusal is None or "MEMORY_MB" not in refusal.message
