# SPDX-License-Identifier: Apache-2.0
"""The API's samples are what it says, and it says what its OpenAPI document says.

`docs/api_samples/` is written anew after a wanted change: make generate, and read the difference.
"""

import json
import re
from unittest import mock

import jsonschema
from keystoneauth1 import exceptions as ks_exc
from nova.api.openstack.compute import routes

from nova_xloud import releases
from nova_xloud.api import openapi, policies
from nova_xloud.testing import Behaviour
from tests import generated
from tests.functional.base import AdjustTestCase, XloudTestCase

ADJUST, STATUS = "/os-xloud-adjust/{server_id}", "/servers/{server_id}/xloud-status"
HISTORY, SERVERS = "/servers/{server_id}/xloud-history", "/os-xloud-servers"
# What is another one each time, and what it is in the samples.
VOLATILE = (
    (r"http://[0-9a-f-]{36}/", "http://controller:8774/"),
    (r'"name": "[a-z]{20}"', '"name": "web1"'),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "4c9b5e1a-0d2f-4a63-8e77-1f0a9b3c5d21"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-25T04:00:00Z"),
)
DOCUMENT = openapi.document()


def _settled(text):
    for pattern, sample in VOLATILE:
        text = re.sub(pattern, sample, text)
    return text


def _keep(name, body):
    # Other releases of Nova have other words for the same.
    if releases.major() == max(releases.major(supported) for supported in releases.SUPPORTED):
        text = _settled(json.dumps(body, indent=4)) + "\n"
        generated.check(f"docs/api_samples/{name}.json", text)


def _validate(schema, body):
    schema = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


class SamplesTestCase(AdjustTestCase):
    def _answered(self, status, name, path, method, body=None, api=None, server_id=None, query=""):
        """Call the API, hold its answer against the document, and the sample against both."""
        server_id = server_id or self.server["id"]
        answer = (api or self.admin_api).api_request(
            path.format(server_id=server_id) + query,
            method=method,
            body=None if body is None else json.dumps(body),
        )
        assert answer.status_code == status, answer.text
        operation = DOCUMENT["paths"][path][method.lower()]
        self._as_documented(operation["responses"][str(status)], answer)
        if body is not None and status != 400:
            _validate(operation["requestBody"]["content"]["application/json"]["schema"], body)
        _keep(f"{name}-resp", answer.json())
        return answer

    def _as_documented(self, response, answer):
        assert set(response["headers"]) <= set(answer.headers), answer.headers
        _validate(response["content"]["application/json"]["schema"], answer.json())
        told = next(iter(answer.json().values()), {})
        message = told.get("message", "") if isinstance(told, dict) else ""
        code = re.match(r"xloud[a-z_.]+", message)
        if code is not None:
            known = {one.split("<")[0] for one in openapi.codes_of(answer.status_code)}
            assert any(code[0].startswith(one) for one in known), (code[0], known)

    def _asks(self, status, name, body, **options):
        return self._answered(status, name, ADJUST, "POST", body, **options)

    def _shows(self, status, name, **options):
        return self._answered(status, name, STATUS, "GET", **options)

    def _settles_at(self, vcpus, memory_mb):
        self._has(vcpus, memory_mb)
        self._wait(lambda: self.assertTrue(self._status()["conditions"][0]["status"]))


class Samples(SamplesTestCase):
    def test_adjusted_and_shown(self):
        self._has(1, 512)
        body = {"current_vcpus": 3, "current_memory_mb": 768}
        _keep("dry-run-req", {**body, "dry_run": True})
        self._asks(200, "dry-run", {**body, "dry_run": True})
        _keep("adjust-req", body)
        self._asks(202, "adjust", body)
        self._settles_at(3, 768)
        self._shows(200, "status")
        self._answered(200, "history", HISTORY, "GET")
        self._answered(200, "servers", SERVERS, "GET", query="?limit=1")
        self._asks(200, "dry-run-refused", {"current_vcpus": 5, "dry_run": True})

    def test_refused(self):
        self._has(1, 512)
        self._asks(400, "refused-invalid", {"current_vcpus": 2.5})
        self._asks(400, "refused-out-of-bounds", {"current_vcpus": 5})
        self._asks(403, "refused-policy", {"current_vcpus": 2}, api=self.user_api)
        self.flags(cores=1, group="quota")
        self._asks(403, "refused-quota", {"current_vcpus": 2})
        self.flags(cores=-1, group="quota")
        nowhere = "4c9b5e1a-0d2f-4a63-8e77-1f0a9b3c5d21"
        self._asks(404, "refused-not-found", {"current_vcpus": 2}, server_id=nowhere)
        self._shows(404, "status-not-found", server_id=nowhere)
        self._answered(400, "servers-invalid", SERVERS, "GET", query="?converged=perhaps")
        self._answered(
            403, "servers-policy", SERVERS, "GET", api=self.user_api, query="?all_projects=true"
        )
        self.policy.set_rules({policies.STATUS: "rule:context_is_admin"}, overwrite=False)
        self._shows(403, "status-policy", api=self.user_api)
        away = mock.patch(
            "nova.scheduler.client.report.SchedulerReportClient._put_allocations",
            side_effect=ks_exc.ConnectFailure("connection refused"),
        )
        with away:
            self._asks(503, "refused-placement", {"current_vcpus": 2})
        self.admin_api.post_server_action(self.server["id"], {"lock": {}})
        self._asks(409, "refused-locked", {"current_vcpus": 2})
        self._has(1, 512)

    def test_refused_by_the_host(self):
        self._has(1, 512)
        capacity = self._memory_capacity(self.server)
        self._boot(self._flavor(vcpus=1, memory_mb=capacity - 512 - 256))
        self._asks(409, "refused-no-capacity", {"current_memory_mb": 1024})
        self.admin_api.post_server_action(self.server["id"], {"suspend": {}})
        self._wait_for_state_change(self.server, "SUSPENDED")
        self._asks(409, "refused-state", {"current_vcpus": 2})

    def test_a_guest_that_does_not_follow(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REMOVAL_TIMES_OUT
        self._adjust(current_vcpus=1)
        self._failed("xloud.guest_refused")
        self._shows(200, "status-guest-refused")
        self._asks(409, "refused-blocked", {"current_vcpus": 4})

    def test_without_the_host(self):
        self._adjust(current_vcpus=3)
        self._settles_at(3, 512)
        self.computes["host1"].stop()
        (service,) = self.admin_api.get_services(host="host1", binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)
        self._shows(200, "status-database")
        self._asks(409, "refused-host-down", {"current_vcpus": 2})


class WithoutNovaXloud(SamplesTestCase):
    """A compute host that nobody has started with nova-xloud-run."""

    def setUp(self):
        XloudTestCase.setUp(self)
        stock = {"nova-compute": "nova.compute.manager.ComputeManager"}
        with mock.patch.dict("nova.service.SERVICE_MANAGERS", stock):
            self.start_compute("host1")
        self.server = self._boot(self._flavor(minimum_cpu=1))

    def test_refused(self):
        self._asks(409, "refused-host-unsupported", {"current_vcpus": 2})
        self._shows(200, "status-host-unsupported")


class Routes(XloudTestCase):
    def test_what_is_routed_is_in_the_document_and_the_other_way_round(self):
        routed = {
            (method, path)
            for path, methods in routes.ROUTE_LIST
            for method in methods
            if "xloud" in path
        }
        documented = {
            (method.upper(), path)
            for path, item in DOCUMENT["paths"].items()
            for method in item
            if method != "parameters"
        }
        assert routed == documented
        assert len(routed) == 4
