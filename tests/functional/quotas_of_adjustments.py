# SPDX-License-Identifier: Apache-2.0
"""What an adjustment counts for and what it is refused, the same with each of Nova's drivers."""

import contextlib
from unittest import mock

import greenlet
import oslo_messaging as messaging
import pytest
from nova import context as nova_context
from nova import objects
from oslo_limit import limit

from nova_xloud.api import quotas
from nova_xloud.api.adjustment import AdjustmentAPI
from nova_xloud.compute import admit as admission
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.size import Size
from nova_xloud.errors import HostUnavailable, HostUnsupported, NoCapacity, PlacementUnavailable
from nova_xloud.rpc.client import XloudAPI
from nova_xloud.testing import Behaviour


class QuotasOfAdjustments:
    """Tests to mix into a :class:`~tests.functional.quota_case.QuotaTestCase` with a driver."""

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

    def test_quota_counts_the_servers_of_its_project_and_of_no_other(self):
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

    def test_growth_of_a_stopped_server_needs_quota(self):
        self._action("os-stop")
        self._wait_for_state_change(self.server, "SHUTOFF")
        self._limit(cores=2)
        self._quota_exceeded("asked 2 more", current_vcpus=3)
        self._adjust(current_vcpus=2)
        assert self._usage() == (2, 512)

    def test_a_server_of_a_stock_flavor_needs_quota_when_it_grows_back(self):
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

    @contextlib.contextmanager
    def _racing(self):
        """Two servers ask for one more vCPU each, and both are checked before either holds it."""
        other = self._create()
        self._has(1, 512, other)
        reserve, asked = XloudAPI.reserve, []

        def after_the_other(api, context, instance, request):
            if not asked:
                asked.append(other)
                self._adjust(other, current_vcpus=2)
            return reserve(api, context, instance, request)

        with mock.patch.object(XloudAPI, "reserve", after_the_other):
            self._limit(cores=3)
            yield
        self._has(2, 512, other)

    def test_of_two_concurrent_growths_the_quota_admits_one(self):
        before = dict(self._record(self.server).system_metadata)
        guest = self.guests.domain(self.server["id"])
        with mock.patch.object(guest, "set_vcpus") as set_vcpus:
            with self._racing():
                self._quota_exceeded(
                    f"{self.CORES}: asked 1 more, used 3, allowed 3", current_vcpus=2
                )
            # The reservation is released, and the guest was never set to another size.
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

    def test_two_growths_that_are_sent_again_before_their_recheck_stay_within_the_quota(self):
        other = self._create()
        self._has(1, 512, other)
        # Each alone may have 3 vCPUs, both together not.
        self._limit(cores=4)
        servers, reserve, first = (self.server, other), XloudAPI.reserve, []

        def both_reserve(api, context, instance, request):
            """Both were checked once, and both reserve before either is rechecked."""
            first.append((instance, request))
            if len(first) == 1:
                self._quota_exceeded("allowed 4", server=other, current_vcpus=3)
                return
            for one, what in first:
                reserve(api, context, one, what)
            assert self._usage() == (6, 1024)
            with mock.patch.object(XloudAPI, "reserve", reserve):
                for server in servers:
                    asked = f"{self.CORES}: asked 2 more, used 4, allowed 4"
                    self._quota_exceeded(asked, server=server, current_vcpus=3)

        with (
            mock.patch.object(XloudAPI, "reserve", both_reserve),
            # Until both are rechecked.
            mock.patch.object(XloudAPI, "unreserve"),
        ):
            self._quota_exceeded("allowed 4", current_vcpus=3)
        self.computes["host1"].manager.xloud.reconcile()
        for server in servers:
            self._has(1, 512, server)
        assert self._usage() == (2, 1024)

    def test_automatic_growth_counts_what_another_request_has_reserved(self):
        other = self._create()
        self._has(1, 512, other)
        self._limit(cores=4)
        for server in (self.server, other):
            XloudAPI().reserve(self._context(), self._record(server), AdjustRequest(3, None))
        refusal = quotas.refusal_of_growth(self._in_the_cell(), other["id"], Size(3, 512))
        assert "asked 2 more, used 4, allowed 4" in str(refusal)
        self._limit(cores=6)
        assert quotas.refusal_of_growth(self._in_the_cell(), other["id"], Size(3, 512)) is None

    @contextlib.contextmanager
    def _calls_to_the_host(self):
        """Yield the ``xloud`` calls that an adjustment waits for, without those for a status."""
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

    def test_growth_under_an_unlimited_quota_is_one_call_and_counts_nothing(self):
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
