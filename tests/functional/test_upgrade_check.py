# SPDX-License-Identifier: Apache-2.0
"""nova-xloud-status upgrade check against a whole cloud: each check seen passing and not."""

import contextlib
import io
import json
from types import SimpleNamespace
from unittest import mock

import fixtures
import nova.conf
import oslo_messaging as messaging
from keystoneauth1 import exceptions as ks_exc
from nova import context as nova_context
from nova import objects
from nova.api.openstack.compute import routes
from nova.conductor.manager import ConductorManager
from nova.db.api import api, models
from nova.manager import Manager
from nova.scheduler.client import report
from nova.scheduler.manager import SchedulerManager
from oslo_db import exception as db_exc
from oslo_utils import timeutils

from nova_xloud import releases
from nova_xloud.audit import osapi, upgrade_check
from nova_xloud.cmd import status
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.rpc.versions import FIRST, NAMESPACE, VERSION
from nova_xloud.seams import about, install
from tests.functional.base import AdjustTestCase

CONF = nova.conf.CONF
SUCCESS, WARNING, FAILURE = 0, 1, 2


class OverHTTP:
    """In place of keystoneauth's adapter: there is no Keystone. The nova-api is a real one."""

    def __init__(self, api):
        self._api = api
        self.asked = []

    def get(self, path, raise_exc, endpoint_override):
        assert not raise_exc
        self.asked.append(endpoint_override)
        return self._api.api_request(path)


class UpgradeCheckTestCase(AdjustTestCase):
    """A cloud that is ready, with one compute host and one elastic server."""

    def setUp(self):
        super().setUp()
        self._has(1, 512)
        self.admin = nova_context.get_admin_context()
        self.http = OverHTTP(self.admin_api)
        self.useFixture(fixtures.MonkeyPatch(f"{osapi.__name__}.compute_api", lambda: self.http))
        # It is a fake in Nova's fixtures; tests/contract has the real ones.
        replaced, real = "nova.virt.libvirt.host:Host.get_connection", install.check
        fitting = fixtures.MockPatchObject(
            install, "check", lambda: [m for m in real() if not m.startswith(replaced)]
        )
        self.useFixture(fitting)

    def _register(self, binary, host, **fields):
        """A record of a service that lived just now."""
        with nova_context.target_cell(self.admin, self.cell_mappings["cell1"]) as context:
            objects.Service(
                context, binary=binary, host=host, last_seen_up=timeutils.utcnow(), **fields
            ).create()

    def _run(self, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = status.main(
                ["upgrade", "check", *arguments],
                configured=lambda options: contextlib.nullcontext(),
            )
        return code, out.getvalue()

    def _check(self, *arguments):
        """The exit code, and of each check its result and its details."""
        code, printed = self._run("--json", *arguments)
        checks = {c["check"]: (c["result"], c["details"]) for c in json.loads(printed)["checks"]}
        assert code == max(result for result, _ in checks.values()), checks
        return code, checks

    def _all_well_but(self, *names, arguments=()):
        """All other checks succeed; (result, details) of these."""
        _, checks = self._check(*arguments)
        others = {name: said for name, said in checks.items() if name not in names}
        assert {result for result, _ in others.values()} == {SUCCESS}, others
        return [checks[name] for name in names]

    def _is(self, name, result, *words, arguments=()):
        (said,) = self._all_well_but(name, arguments=arguments)
        assert said[0] == result, said
        for word in words:
            assert word in said[1], said
        return said[1]


class Ready(UpgradeCheckTestCase):
    def test_all_is_well_and_said_of_each(self):
        code, checks = self._check()
        assert code == SUCCESS, checks
        assert list(checks) == [
            "Nova release",
            "Seams",
            "nova-api",
            "nova-conductor",
            "nova-scheduler",
            "nova-compute",
            "Balloon statistics",
            "Scheduler filters",
            "Minimums of flavors",
            "Automatic growth",
            "Invariants",
        ]
        details = {name: said for name, (_, said) in checks.items()}
        assert releases.version() in details["Nova release"]
        assert "host1" in details["nova-compute"]
        assert "1 on host1" in details["Balloon statistics"]
        assert "as reported by nova-scheduler on scheduler" in details["Scheduler filters"]
        assert "is off in nova.conf here" in details["Automatic growth"]
        assert "1 elastic instances were checked" in details["Invariants"]

    def test_as_a_table(self):
        code, printed = self._run()
        assert code == SUCCESS
        assert "nova-xloud upgrade check" in printed
        assert printed.count("Result: Success") == 11


class WhatIsInstalledHere(UpgradeCheckTestCase):
    def test_another_release(self):
        with mock.patch.object(releases, "version", return_value="35.0.0"):
            (release,) = self._all_well_but("Nova release")
        assert release[0] == WARNING
        assert "Nova 35.0.0" in release[1]
        assert "34.0" in release[1]

    def test_a_seam_that_does_not_fit(self):
        with mock.patch.object(install, "check", return_value=["nova.x:y: expected (), found (z)"]):
            self._is("Seams", FAILURE, "nova.x:y: expected (), found (z)", "nova-xloud-run")


class ServicesThatRunStock(UpgradeCheckTestCase):
    def test_a_conductor(self):
        with mock.patch.object(ConductorManager, "pre_start_hook", Manager.pre_start_hook):
            self.start_service("conductor", host="control2")
        said = self._is("nova-conductor", FAILURE, "control2: runs without nova-xloud")
        assert "nova-xloud-run nova-conductor" in said
        assert said.endswith("With nova-xloud: conductor.")

    def test_the_scheduler(self):
        self.scheduler.kill()
        self._service_fixture_count.pop("scheduler")
        with mock.patch.object(SchedulerManager, "pre_start_hook", Manager.pre_start_hook):
            self.start_service("scheduler", host="control2")
        said = self._is("nova-scheduler", FAILURE, "control2", "nova-xloud-run nova-scheduler")
        assert said.endswith("With nova-xloud: none.")

    def test_a_compute(self):
        stock = {"nova-compute": "nova.compute.manager.ComputeManager"}
        with mock.patch.dict("nova.service.SERVICE_MANAGERS", stock):
            self.start_compute("host2")
        compute, balloons = self._all_well_but("nova-compute", "Balloon statistics")
        assert compute[0] == balloons[0] == WARNING
        assert "host2: runs without nova-xloud" in compute[1]
        assert compute[1].endswith("With nova-xloud: host1.")
        assert "host2 did not report" in balloons[1]


class AnApiThatRunsStock(UpgradeCheckTestCase):
    def setUp(self):
        stock = tuple(route for route in routes.ROUTE_LIST if "xloud" not in route[0])
        assert len(stock) == len(routes.ROUTE_LIST) - 4
        self.useFixture(fixtures.MockPatchObject(routes, "ROUTE_LIST", stock))
        super().setUp()

    def _has(self, vcpus, memory_mb, server=None):
        """It cannot be asked."""

    def test_stock_api_is_told_from_one_with_nova_xloud(self):
        self._is("nova-api", FAILURE, "runs without", "nova_xloud.wsgi.osapi_compute:application")


class ServicesOfAnotherVersion(UpgradeCheckTestCase):
    def test_a_compute_that_is_older_than_the_question(self):
        first = messaging.Target(namespace=NAMESPACE, version=FIRST)
        with (
            mock.patch.object(about, "of_compute", object),
            mock.patch.object(XloudEndpoint, "target", first),
        ):
            self.start_compute("host2")
            compute, balloons = self._all_well_but("nova-compute", "Balloon statistics")
        assert compute[0] == balloons[0] == WARNING
        assert "host2: runs with a nova-xloud that is too old" in compute[1]
        assert f"RPC {VERSION}" in compute[1]

    def test_another_package_here_than_there(self):
        kinds = ("nova-conductor", "nova-scheduler", "nova-compute")
        with mock.patch.object(upgrade_check, "package_version", return_value="99.1"):
            for level, details in self._all_well_but(*kinds):
                assert level == WARNING
                assert f"here is nova-xloud 99.1 (RPC {VERSION})" in details


class ServicesThatDoNotAnswer(UpgradeCheckTestCase):
    def test_a_compute_that_is_down(self):
        self.computes["host1"].stop()
        (service,) = self.admin_api.get_services(host="host1", binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)
        names = ("nova-compute", "Balloon statistics", "Invariants")
        compute, balloons, invariants = self._all_well_but(*names)
        assert [compute[0], balloons[0], invariants[0]] == [WARNING] * 3
        assert "host1: it is down" in compute[1]
        assert "host1 did not report" in balloons[1]
        assert "the guests of 1 elastic instances on this host were not checked" in invariants[1]

    def test_a_conductor_that_is_up_and_silent(self):
        self.useFixture(fixtures.MonkeyPatch("nova_xloud.rpc.client.ABOUT_WITHIN", 1))
        self._register("nova-conductor", "ghost", topic="conductor", report_count=1)
        self._is("nova-conductor", WARNING, "ghost did not answer: no answer within 1 s")

    def test_no_scheduler_at_all(self):
        self.scheduler.kill()
        scheduler, filters = self._check()[1]["nova-scheduler"], self._filters()
        assert scheduler[0] == WARNING
        assert "no record of a nova-scheduler" in scheduler[1]
        assert filters == (
            SUCCESS,
            "No filter that clashes is enabled, as reported by nova.conf on this host, because "
            "no nova-scheduler answered.",
        )

    def _filters(self):
        return self._check()[1]["Scheduler filters"]


class TheApi(UpgradeCheckTestCase):
    def test_credentials_that_are_not_there(self):
        with mock.patch.object(osapi, "compute_api", side_effect=ks_exc.MissingAuthPlugin):
            self._is("nova-api", WARNING, "MissingAuthPlugin", "--api", "by hand: GET")

    def test_credentials_that_are_not_taken(self):
        answer = SimpleNamespace(status_code=401, text="who are you", url="http://there")
        with mock.patch.object(self.http, "get", return_value=answer):
            self._is("nova-api", WARNING, "401: who are you", "by hand: GET")

    def test_several_of_which_one_has_answered(self):
        for host in ("control1", "control2"):
            self._register("nova-osapi_compute", host, topic=None, report_count=0)
        self._is("nova-api", WARNING, "control1, control2", "name each with --api")
        assert self.http.asked == [None]

    def test_each_by_its_name(self):
        for host in ("control1", "control2"):
            self._register("nova-osapi_compute", host, topic=None, report_count=0)
        urls = ["http://control1:8774/v2.1", "http://control2:8774/v2.1"]
        self._is("nova-api", SUCCESS, arguments=["--api", urls[0], "--api", urls[1]])
        assert self.http.asked == urls


class Settings(UpgradeCheckTestCase):
    def test_no_balloon_statistics(self):
        self.flags(mem_stats_period_seconds=0, group="libvirt")
        self._is(
            "Balloon statistics",
            FAILURE,
            "is 0 or less, as reported by nova-compute on host1",
            "default is 10",
        )

    def test_a_filter_that_clashes(self):
        self._enable("AggregateInstanceExtraSpecsFilter")
        name = self.server["flavor"]["original_name"]
        self._is("Scheduler filters", FAILURE, f"Servers of the flavors {name} find no host")

    def test_a_filter_that_clashes_with_no_stored_flavor(self):
        self._enable("AggregateInstanceExtraSpecsFilter")
        for flavor in objects.FlavorList.get_all(self.admin):
            flavor.extra_specs = {}
            flavor.save()
        self._flavor(xloud__minimum_cpu=1)
        said = self._is("Scheduler filters", SUCCESS, "AggregateInstanceExtraSpecsFilter")
        assert "flavors have to name xloud:minimum_cpu" in said

    def _enable(self, name):
        enabled = [*CONF.filter_scheduler.enabled_filters, name]
        self.flags(enabled_filters=enabled, group="filter_scheduler")

    def test_a_flavor_with_an_impossible_minimum(self):
        flavor = objects.Flavor.get_by_flavor_id(self.admin, self._flavor(vcpus=4))
        flavor.extra_specs = {"minimum_cpu": "9"}
        flavor.save()
        said = self._is("Minimums of flavors", FAILURE, f"flavor {flavor.name}", "minimum_cpu=9")
        assert "4 vCPUs" in said

    def test_one_that_is_private(self):
        flavor = objects.Flavor.get_by_flavor_id(self.admin, self._flavor(vcpus=4))
        flavor.extra_specs = {"xloud:minimum_memory": "lots"}
        flavor.save()
        with api.context_manager.writer.using(self.admin):
            self.admin.session.query(models.Flavors).filter_by(id=flavor.id).update(
                {"is_public": False}
            )
        self._is("Minimums of flavors", FAILURE, flavor.name, "'lots'")

    def test_an_instance_that_breaks_the_invariant(self):
        record = self._record(self.server)
        record.memory_mb = 1024
        record.save()
        self._is("Invariants", FAILURE, f"columns_differ: instance {self.server['id']}", "adjust")


class WhatCannotBeReached(UpgradeCheckTestCase):
    """It is said, and all other checks answer."""

    away = db_exc.DBConnectionError(Exception("connection refused"))

    def setUp(self):
        super().setUp()
        # What fails here are seams.
        self.useFixture(fixtures.MockPatchObject(install, "check", list))

    def test_the_api_database(self):
        with mock.patch.object(objects.CellMappingList, "get_all", side_effect=self.away) as read:
            _, checks = self._check()
        here = [checks.pop(name)[0] for name in ("Nova release", "Seams")]
        assert here == [SUCCESS, SUCCESS]
        for level, details in checks.values():
            assert level == WARNING
            assert "the API database could not be read" in details
        assert read.call_count == 1
        # It was asked all the same.
        assert "With nova-xloud: http" in checks["nova-api"][1]

    def test_a_cell(self):
        with mock.patch.object(objects.ServiceList, "get_by_binary", side_effect=self.away):
            _, checks = self._check()
        assert checks["Minimums of flavors"][0] == SUCCESS
        for name in ("nova-conductor", "nova-compute", "Invariants"):
            assert checks[name][0] == WARNING
            assert "could not be read: " in checks[name][1]

    def test_placement(self):
        gone = ks_exc.ConnectFailure("connection refused")
        with mock.patch.object(report.SchedulerReportClient, "get", side_effect=gone):
            self._is("Invariants", WARNING, "Placement could not be asked", "[placement]")

    def test_a_fault_of_ours(self):
        with mock.patch.object(osapi, "ask_api", side_effect=ZeroDivisionError("by zero")):
            self._is("nova-api", WARNING, "ZeroDivisionError: by zero")
