# SPDX-License-Identifier: Apache-2.0
"""Requests that schemathesis makes of the OpenAPI document, against the API of a cloud.

Some fit the document and some do not; some are made alone, and some follow the links of an answer.
Each answer has to be one that the document knows, a refusal has its code, and nothing is logged as
an error. ``NOVA_XLOUD_FUZZ=N`` makes N times as many, with another seed each time.
"""

import copy

import pytest
from hypothesis import given, settings
from hypothesis.stateful import run_state_machine_as_test

from nova_xloud.api import openapi
from tests.functional.base import AdjustTestCase
from tests.functional.fuzz_settings import fuzz_settings
from tests.functional.raw_requests import ADMIN, check_answer, code_of, count, no_errors

schemathesis = pytest.importorskip(
    "schemathesis", reason="the extra fuzz is installed beside the newest Nova only"
)
from schemathesis.checks import not_a_server_error  # noqa: E402 - where it is installed
from schemathesis.specs.openapi import checks  # noqa: E402

FUZZ = fuzz_settings(40, stateful_step_count=6)
# Not whether each request that fits is accepted: sizes may be out of bounds.
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
HEADERS = {name: value for name, value in ADMIN.items() if name != "content-type"}
ADJUST = ("/os-xloud-adjust/{server_id}", "POST")
STATUS = ("/servers/{server_id}/xloud-status", "GET")
HISTORY = ("/servers/{server_id}/xloud-history", "GET")
SERVERS = ("/os-xloud-servers", "GET")


class OpenApi(AdjustTestCase):
    def setUp(self):
        super().setUp()
        self.sent = {}
        self._has(1, 512)

    def _schema(self, *servers):
        """The document, of any servers or of these only.

        It is without tokens: Nova's fixture stands in for keystonemiddleware, which refuses those.
        """
        document = copy.deepcopy(openapi.document())
        del document["security"]
        if servers:
            for path in document["paths"].values():
                for server_id in path.get("parameters", ()):
                    server_id["schema"]["enum"] = list(servers)
        return schemathesis.openapi.from_dict(document)

    def _check(self, case, answer, errors):
        status = answer.status_code
        code = _code_of(answer) if status >= 400 else None
        self.sent[status, code] = self.sent.get((status, code), 0) + 1
        count(status, code)
        check_answer(status, answer.text, errors, case.as_curl_command())
        # The layers of Nova that find no JSON, no route or no server know no codes.
        assert code or status < 400 or status == 404 or "Malformed" in answer.text, answer.text
        case.validate_response(answer, checks=CHECKS)

    def _answered(self, *statuses):
        """Return how many requests were answered with one of these."""
        return sum(number for (status, _), number in self.sent.items() if status in statuses)

    def _fuzz(self, operation, mode, change=None, **fixed):
        """Send generated requests, each after it was changed by ``change``, if that is given."""
        path, method = operation
        strategy = self._schema()[path][method].as_strategy(
            generation_mode=schemathesis.GenerationMode[mode], **fixed
        )

        @FUZZ
        @given(strategy)
        def ask(case):
            if change is not None:
                change(case)
            with no_errors() as errors:
                answer = case.call(base_url=self.api_fixture.base_url, headers=HEADERS)
            self._check(case, answer, errors)

        ask()

    def test_an_adjustment_that_fits_the_document(self):
        """Few sizes of 32 bits fit a server, so each also comes as one that does."""
        fits = self._as_it_fits
        self._fuzz(ADJUST, "POSITIVE", fits, path_parameters={"server_id": self.server["id"]})
        assert self._answered(202) >= FUZZ.max_examples // 4, self.sent
        assert self._answered(200), self.sent
        assert self._status()["generation"] > 0

    def _as_it_fits(self, case):
        """Move the sizes of a request into the server's bounds, as integers or as strings."""
        for name, least, most in (("current_vcpus", 1, 4), ("current_memory_mb", 512, 1024)):
            if name in case.body:
                size = case.body[name]
                within = least + int(size) % (most - least + 1)
                case.body[name] = str(within) if isinstance(size, str) else within

    def test_sizes_of_the_document_that_do_not_fit_the_server(self):
        self._fuzz(ADJUST, "POSITIVE", path_parameters={"server_id": self.server["id"]})
        assert self.sent.get((400, "xloud.out_of_bounds")), self.sent

    def test_an_adjustment_that_does_not_fit_the_document(self):
        self._fuzz(ADJUST, "NEGATIVE", path_parameters={"server_id": self.server["id"]})
        assert self._answered(400, 404) == sum(self.sent.values()), self.sent
        assert self.sent[400, "xloud.invalid"] >= FUZZ.max_examples // 2, self.sent
        assert self._status()["generation"] == 0

    def test_an_adjustment_of_any_server(self):
        self._fuzz(ADJUST, "POSITIVE")
        assert self._answered(404), self.sent

    def test_a_status_of_any_server(self):
        self._fuzz(STATUS, "POSITIVE")
        assert self._answered(404), self.sent

    def test_a_history_of_any_server(self):
        self._fuzz(HISTORY, "POSITIVE")
        assert self._answered(404), self.sent

    def test_a_list_of_any_servers(self):
        """Few queries have a marker that exists, and few have none."""
        self._fuzz(SERVERS, "POSITIVE")
        assert self._answered(200), self.sent
        assert self.sent.get((400, "xloud.invalid")), self.sent

    def test_a_list_that_does_not_fit_the_document(self):
        self._fuzz(SERVERS, "NEGATIVE")
        assert self._answered(400), self.sent

    def test_what_an_answer_links_to(self):
        machine = self._schema(self.server["id"]).as_state_machine()
        check, base_url = self._check, self.api_fixture.base_url

        class Follows(machine):
            def get_call_kwargs(self, case):
                return {"base_url": base_url, "headers": HEADERS}

            def call(self, case, **kwargs):
                with no_errors() as self.errors:
                    return super().call(case, **kwargs)

            def validate_response(self, response, case, *args, **kwargs):
                check(case, response, self.errors)

        sequences = settings(FUZZ, max_examples=FUZZ.max_examples // 3)
        run_state_machine_as_test(Follows, settings=sequences)
        assert self._answered(200), self.sent
        assert self._answered(202), self.sent


def _code_of(answer):
    """Return the code of a refusal; None for one of Nova's layers, which may not even be JSON."""
    if not any("application/json" in one for one in answer.headers.get("content-type", ())):
        return None
    ((_, fault),) = answer.json().items()
    assert fault["code"] == answer.status_code, answer.text
    return code_of(fault["message"])
