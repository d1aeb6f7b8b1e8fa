# SPDX-License-Identifier: Apache-2.0
"""The REST API does what ``gabbits/`` says: each request there has the answer that is written.

Each file is played, from its first request to its last, against a cloud of its own with one server,
``$ENVIRON['SERVER']``, between 1 / 512 and 4 / 1024. ``rest_states.py`` has the states under
``fixtures``, ``rest_checks.py`` has ``response_refusal`` and ``response_shape``.

Not here, because it is not ours: 401, which keystonemiddleware says, and Nova's fixture has none.
"""

import pathlib
import unittest

import ddt
import pytest
import yaml
from gabbi import handlers, suitemaker
from nova.tests.fixtures.nova import PROJECT_ID

from nova_xloud.api import schemas
from nova_xloud.api.http_errors import EXPECTED
from tests import codes
from tests.functional import rest_states
from tests.functional.base import AdjustTestCase
from tests.functional.rest_checks import (
    NO_ROUTE,
    WITHOUT_CODE,
    Refusal,
    Shape,
    leaves,
    leaves_of_schema,
)

GABBITS = pathlib.Path(__file__).parent / "gabbits"
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(GABBITS.glob("*.yaml"))}
CASES = [{**file.get("defaults", {}), **case} for file in FILES.values() for case in file["tests"]]
HANDLERS = (Refusal, Shape, *handlers.RESPONSE_HANDLERS)
# Of all files: an admin asks, at the newest microversion, and every answer has the request's id.
DEFAULTS = {
    "request_headers": {
        "content-type": "application/json",
        "openstack-api-version": "compute latest",
        "x-auth-user": "admin",
        "x-auth-project-id": PROJECT_ID,
        "x-roles": "reader,member,admin",
    },
    "response_headers": {"x-openstack-request-id": "/^req-/"},
}
# Codes of errors.py that no request in gabbits/ is answered with, and why.
NOT_HERE: dict[str, str] = {}


@ddt.ddt
class Contract(AdjustTestCase):
    def setUp(self):
        super().setUp()
        self.flags(instances=-1, group="quota")
        self._has(1, 512)

    @ddt.data(*FILES)
    def test_each_request_has_the_answer_that_is_written(self, name):
        rest_states.State.case = self
        states = rest_states.State()
        states.name("SERVER", self.server["id"])
        suite = suitemaker.test_suite_from_dict(
            unittest.TestLoader(),
            name,
            {**FILES[name], "defaults": _defaults(FILES[name])},
            str(GABBITS),
            host="nova.example.com",
            port=80,
            fixture_module=rest_states,
            intercept=self.api_fixture.app,
            handlers=[handler() for handler in HANDLERS],
            test_loader_name=__name__,
        )
        result = unittest.TestResult()
        suite.run(result)
        bad = [f"{test.shortDescription()}\n{why}" for test, why in result.errors + result.failures]
        assert not bad, "\n\n".join([f"{len(bad)} of {result.testsRun} requests", *bad])
        assert result.testsRun == len(FILES[name]["tests"])


def _defaults(file):
    its_own = file.get("defaults", {})
    headers = {**DEFAULTS["request_headers"], **its_own.get("request_headers", {})}
    return {**DEFAULTS, **its_own, "request_headers": headers}


def _status(case):
    return int(case.get("status", 200))


def _requests(*statuses):
    """The bodies of the adjustments that are answered with one of these."""
    for case in CASES:
        if "os-xloud-adjust" in case.get("POST", "") and _status(case) in statuses:
            yield case["data"]


def _shapes(key):
    return [shape for case in CASES if key in (shape := case.get("response_shape", {}))]


def test_each_code_of_the_api_has_a_request_that_is_refused_with_it():
    refused = {case["response_refusal"] for case in CASES if case.get("response_refusal")}
    assert refused - {WITHOUT_CODE, NO_ROUTE} == codes.refusal_codes() - NOT_HERE.keys()


@pytest.mark.parametrize("resource", ["POST", "GET"])
def test_each_status_of_a_resource_has_a_request(resource):
    answered = {_status(case) for case in CASES if "xloud" in case.get(resource, "")}
    # A status has no body that could be wrong, and asks nothing of Placement.
    never = {400, 503} if resource == "GET" else set()
    assert set(EXPECTED) - never <= answered


def test_no_refusal_is_without_a_code_by_oversight():
    """Whoever writes a refused request writes which refusal it is."""
    unnamed = [
        case["name"]
        for case in CASES
        if _status(case) in EXPECTED and not case.get("response_refusal")
    ]
    assert unnamed == []


@pytest.mark.parametrize("field", schemas.ADJUST["properties"])
def test_request_field_is_accepted_in_each_type_and_refused_in_another(field):
    names = {int: "integer", str: "string", bool: "boolean"}
    taken = {names[type(body[field])] for body in _requests(200, 202) if field in body}
    assert taken == set(schemas.ADJUST["properties"][field]["type"])
    assert any(field in body for body in _requests(400) if isinstance(body, dict))


@pytest.mark.parametrize(
    ("key", "schema"),
    [("plan", schemas.PLAN_RESPONSE), ("xloud_status", schemas.STATUS_RESPONSE)],
    ids=["plan", "status"],
)
def test_answer_field_is_seen_in_each_type_of_its_schema(key, schema):
    seen = {leaf for shape in _shapes(key) for leaf in leaves(shape)}
    assert seen == set(leaves_of_schema(schema))
