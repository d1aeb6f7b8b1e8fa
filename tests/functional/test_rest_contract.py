# SPDX-License-Identifier: Apache-2.0
"""The REST API does what ``gabbits/`` says: each request there has the answer that is written.

Each file is played, from its first request to its last, against a cloud of its own with one server,
``$ENVIRON['SERVER']``, between 1 / 512 and 4 / 1024. ``rest_states.py`` has the states under
``fixtures``, ``rest_checks.py`` has ``response_refusal`` and ``response_shape``.

Not here, because it is not ours: 401, which keystonemiddleware says, and Nova's fixture has none.
"""

import pathlib
import re
import unittest

import ddt
import jsonschema
import pytest
import yaml
from gabbi import handlers, suitemaker

from nova_xloud.api import schemas
from nova_xloud.api.http_errors import EXPECTED
from tests import codes
from tests.functional import rest_states
from tests.functional.base import AdjustTestCase
from tests.functional.raw_requests import ADMIN
from tests.functional.rest_checks import (
    NO_ROUTE,
    WITHOUT_CODE,
    Answered,
    Refusal,
    Shape,
    leaves,
    leaves_of_schema,
)

GABBITS = pathlib.Path(__file__).parent / "gabbits"
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(GABBITS.glob("*.yaml"))}


def _cases(file):
    return [{**file.get("defaults", {}), **case} for case in file["tests"]]


CASES = [case for file in FILES.values() for case in _cases(file)]
HANDLERS = (Refusal, Shape, *handlers.RESPONSE_HANDLERS)
# Of all files: an admin asks, at the newest microversion, and every answer has the request's id.
DEFAULTS = {
    "request_headers": ADMIN,
    "response_headers": {"x-openstack-request-id": "/^req-/"},
}
# By resource: its method and path, its statuses of success, and those of EXPECTED that it never
# has. A status has no body that could be wrong, and where its host or Placement does not answer it
# is what the database has. History and list are read from there anyway.
RESOURCES = {
    "adjust": ("POST", r"/v2\.1/os-xloud-adjust/[^/]+", {200, 202}, set()),
    "status": ("GET", r"/v2\.1/servers/[^/]+/xloud-status(\?.*)?", {200}, {400, 409, 503}),
    "history": ("GET", r"/v2\.1/servers/[^/]+/xloud-history(\?.*)?", {200}, {400, 409, 503}),
    "servers": ("GET", r"/v2\.1/os-xloud-servers(\?.*)?", {200}, {404, 409, 503}),
}
JSON_TYPES = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "array",
    str: "string",
    type(None): "null",
}
# Seconds that a poll goes on at least: on a busy machine a guest is slow.
LONG_ENOUGH = 60


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
        answered = {}
        suite = suitemaker.test_suite_from_dict(
            unittest.TestLoader(),
            name,
            {**FILES[name], "defaults": _defaults(FILES[name])},
            str(GABBITS),
            host="nova.example.com",
            port=80,
            fixture_module=rest_states,
            intercept=self.api_fixture.app,
            handlers=[Answered(answered), *(handler() for handler in HANDLERS)],
            test_loader_name=__name__,
        )
        result = unittest.TestResult()
        suite.run(result)
        bad = [f"{test.shortDescription()}\n{why}" for test, why in result.errors + result.failures]
        assert not bad, "\n\n".join([f"{len(bad)} of {result.testsRun} requests", *bad])
        cases = _cases(FILES[name])
        # Neither skipped nor expected to fail, nor polled no times.
        assert answered == {case["name"]: _status(case) for case in cases}
        assert len(answered) == result.testsRun == len(cases)


def _defaults(file):
    its_own = file.get("defaults", {})
    headers = {**DEFAULTS["request_headers"], **its_own.get("request_headers", {})}
    return {**DEFAULTS, **its_own, "request_headers": headers}


def _status(case):
    return int(case.get("status", 200))


def _asks(case, resource):
    """Whether this is a request for the resource, which Nova's routes pass on to it."""
    method, path, _, _ = RESOURCES[resource]
    return (
        re.fullmatch(path, case.get(method, "")) is not None
        and case.get("response_refusal") != NO_ROUTE
    )


def _accepted(field):
    """By its JSON type: a value of the field in an adjustment that is accepted."""
    return {
        JSON_TYPES[type(case["data"][field])]: case["data"][field]
        for case in CASES
        if _asks(case, "adjust") and _status(case) in (200, 202) and field in case["data"]
    }


def _refused_types(field, good):
    """The JSON types of the field for which alone an adjustment is refused, by the field's name.

    :param good: a value of the field with which the adjustments would be valid
    """
    for case in CASES:
        body = case.get("data")
        if (
            _asks(case, "adjust")
            and case.get("response_refusal") == "xloud.invalid"
            and f"for field/attribute {field}. Value: " in case.get("response_strings", ())
            and jsonschema.Draft4Validator(schemas.ADJUST).is_valid({**body, field: good})
        ):
            yield JSON_TYPES[type(body[field])]


def _shapes(key):
    return [shape for case in CASES if key in (shape := case.get("response_shape", {}))]


def test_each_code_of_the_api_has_a_request_that_is_refused_with_it():
    refused = {case["response_refusal"] for case in CASES if case.get("response_refusal")}
    assert refused - {WITHOUT_CODE, NO_ROUTE} == codes.refusal_codes()


@pytest.mark.parametrize("resource", RESOURCES)
def test_each_status_of_a_resource_has_a_request(resource):
    answered = {_status(case) for case in CASES if _asks(case, resource)}
    _, _, done, never = RESOURCES[resource]
    assert answered == set(EXPECTED) - never | done


def test_no_request_is_left_out_or_gives_up_early():
    left_out = [case["name"] for case in CASES if "skip" in case or "xfail" in case]
    polls = [(case["name"], case["poll"]) for case in CASES if "poll" in case]
    too_short = [name for name, poll in polls if poll["count"] * poll["delay"] < LONG_ENOUGH]
    assert left_out == too_short == []


def test_no_refusal_is_without_a_code_by_oversight():
    """Whoever writes a refused request writes which refusal it is."""
    unnamed = [
        case["name"]
        for case in CASES
        if _status(case) in EXPECTED and not case.get("response_refusal")
    ]
    assert unnamed == []


@pytest.mark.parametrize("field", schemas.ADJUST["properties"])
def test_each_field_is_accepted_in_the_types_of_its_schema_only(field):
    accepted = _accepted(field)
    assert accepted.keys() == set(schemas.ADJUST["properties"][field]["type"])
    refused = set(_refused_types(field, next(iter(accepted.values()))))
    assert refused >= set(JSON_TYPES.values()) - accepted.keys()


@pytest.mark.parametrize(
    ("key", "schema"),
    [
        ("plan", schemas.PLAN_RESPONSE),
        ("xloud_status", schemas.STATUS_RESPONSE),
        ("xloud_history", schemas.HISTORY_RESPONSE),
    ],
    ids=["plan", "status", "history"],
)
def test_answer_field_is_seen_in_each_type_of_its_schema(key, schema):
    seen = {leaf for shape in _shapes(key) for leaf in leaves(shape)}
    assert seen == set(leaves_of_schema(schema))
