# SPDX-License-Identifier: Apache-2.0
"""Requests that no client of ours would send: each has the right 4xx, and changes nothing."""

import io
import itertools
import json
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nova.api.openstack import api_version_request
from nova.tests.fixtures.nova import PROJECT_ID
from oslo_utils.fixture import uuidsentinel as uuids

from tests.functional import real_http
from tests.functional.bad_bodies import (
    BODIES,
    ENCODINGS,
    FINE,
    INVALID,
    NO_JSON,
    NO_ROUTE,
    NO_SERVER,
    NOT_A_MODE,
    NOT_A_SWITCH,
    OK,
    SHAPES,
    SWITCHES,
    TOO_LARGE,
    nested,
)
from tests.functional.bad_extra_specs import (
    NAMES,
    NO_SPEC_VALUES,
    SPEC_VALUES,
    SPECS,
    are_minimums,
)
from tests.functional.bad_requests import (
    CONTENT_TYPES,
    LEGACY_VERSIONS,
    LENGTHS,
    LIST_QUERIES,
    NEAR_IDS,
    NO_HOSTS,
    NO_IDS,
    NO_PATHS,
    NO_READS,
    ODD_HOSTS,
    OTHER_HEADERS,
    QUERIES,
    VERSIONS,
)
from tests.functional.base import AdjustTestCase
from tests.functional.fuzz_settings import TIMES, fuzz_settings
from tests.functional.raw_requests import (
    SERVERS,
    RawRequests,
    check_answer,
    count,
    no_errors,
    refusal_of,
)

# A user of another project, with the roles that most users have.
ANOTHER = {"x_auth_user": "somebody", "x_auth_project_id": "f" * 32, "x_roles": "reader,member"}
METHODS = (
    "GET",
    "PUT",
    "DELETE",
    "PATCH",
    "TRACE",
    "HEAD",
    "CONNECT",
    "get",
    "",
    "\xff",
    "A" * 5000,
)


class BadInput(RawRequests, AdjustTestCase):
    """One class, because each has a cloud to start."""

    def setUp(self):
        super().setUp()
        self._has(1, 512)

    def nothing_changed(self):
        status = self._status()
        assert status["generation"] == 0, status
        self._has(1, 512)

    def test_each_body_has_the_answer_that_is_written(self):
        self._each_body_has_its_answer(self.adjust_path())
        self.nothing_changed()

    def _each_body_has_its_answer(self, path, bodies=BODIES, **headers):
        wrong = {}
        for name, (body, expected) in bodies.items():
            found = refusal_of(self.send("POST", path, body, **headers))
            if found != expected:
                wrong[name] = found
        assert wrong == {}, (path, headers)

    def test_a_body_of_more_than_20_levels_is_refused_for_that(self):
        for levels, is_deep in ((19, False), (20, True)):
            message = self.adjust(nested(levels)).json["badRequest"]["message"]
            assert ("nested more than 20 deep" in message) == is_deep, message

    def test_a_body_of_another_length_than_it_says_has_its_answer(self):
        for name, (length, body, expected) in LENGTHS.items():
            environ = {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(body)}
            answer = self.send("POST", self.adjust_path(), environ=environ)
            assert refusal_of(answer) == expected, name
            for path in self.reads():
                answer = self.send("GET", path, environ=environ)
                assert answer.status_int in (200, 400, 413), (path, name)
        self.nothing_changed()

    def test_a_body_that_comes_in_chunks_has_its_answer(self):
        large = b'{"x": "' + b"a" * 200_000 + b'"}'
        for body, expected in ((FINE, OK), (b"", INVALID), (b"\xff", INVALID), (large, TOO_LARGE)):
            found = refusal_of(self._adjust_by_chunks(io.BytesIO(body)))
            assert found == expected, body[:20]
        self.nothing_changed()

    def test_a_body_that_cannot_be_read_to_its_end_is_refused(self):
        """An OSError is what the servers that run nova-api raise, each one of its own."""
        broken = mock.Mock()
        broken.read.side_effect = OSError("connection reset")
        assert refusal_of(self._adjust_by_chunks(broken)) == INVALID

    def _adjust_by_chunks(self, source):
        environ = {"CONTENT_LENGTH": None, "wsgi.input": source, "wsgi.input_terminated": True}
        return self.send("POST", self.adjust_path(), environ=environ, transfer_encoding="chunked")

    def test_what_is_read_is_shown_whatever_body_the_request_has(self):
        bodies = BODIES if TIMES else {**ENCODINGS, **SHAPES}
        for path, (name, (body, expected)) in itertools.product(self.reads(), bodies.items()):
            answer = self.send("GET", path, body)
            allowed = (413,) if expected == TOO_LARGE else (200, 400)
            assert answer.status_int in allowed, (path, name)

    def test_no_switch_is_anything_but_a_boolean_and_no_mode_is_made_up(self):
        for name in SWITCHES:
            for value in NOT_A_SWITCH:
                answer = self.adjust({"current_vcpus": 1, name: value})
                assert refusal_of(answer) == INVALID, (name, value)
        for value in NOT_A_MODE:
            for body in ({"autoscale": value}, {"current_vcpus": 1, "autoscale": value}):
                assert refusal_of(self.adjust(body)) == INVALID, body
        self.nothing_changed()

    def test_a_message_with_text_of_the_request_is_one_line(self):
        for body in (b'{"current_vcpus": "1\\nx\\u001b[2J\\u2028"}', b'{"a\\nb": 1}'):
            message = self.adjust(body).json["badRequest"]["message"]
            assert message.isprintable(), message

    def test_each_content_type_has_the_answer_that_is_written(self):
        found = {one: refusal_of(self.adjust(FINE, content_type=one)) for one in CONTENT_TYPES}
        assert found == CONTENT_TYPES
        assert refusal_of(self.adjust(FINE, content_type=None)) == OK
        self.nothing_changed()

    def test_each_version_has_the_answer_that_is_written(self):
        found = {one: refusal_of(self.adjust(FINE, openstack_api_version=one)) for one in VERSIONS}
        assert found == VERSIONS
        found = {one: refusal_of(self._at_legacy(one)) for one in LEGACY_VERSIONS}
        assert found == LEGACY_VERSIONS

    def _at_legacy(self, version):
        versions = {"openstack_api_version": None, "x_openstack_nova_api_version": version}
        return self.adjust(FINE, **versions)

    def test_what_novas_layers_refuse_they_refuse_at_novas_paths_alike(self):
        nova = f"/v2.1/servers/{self.server['id']}/metadata"
        headers = [{"content_type": one} for one, told in CONTENT_TYPES.items() if told != OK]
        headers += [{"openstack_api_version": one} for one, told in VERSIONS.items() if told != OK]
        for named in headers:
            theirs = refusal_of(self.send("POST", nova, b'{"metadata": {}}', **named))
            assert refusal_of(self.adjust(FINE, **named)) == theirs, named
        for body in (body for body, told in BODIES.values() if told in (NO_JSON, TOO_LARGE)):
            theirs = refusal_of(self.send("POST", nova, body))
            assert refusal_of(self.adjust(body)) == theirs, body[:80]

    def test_no_other_header_makes_a_difference(self):
        for headers in (*OTHER_HEADERS, *({"host": one} for one in ODD_HOSTS)):
            assert refusal_of(self.adjust(FINE, **headers)) == OK, headers
            for path in self.reads():
                answer = self.send("GET", path, **headers)
                assert answer.status_int == 200, (path, headers)
                assert answer.headers["x-openstack-request-id"].startswith("req-")
        self.nothing_changed()

    def test_a_host_that_is_none_is_refused_before_anything_changes(self):
        """With this option Nova takes the URL of the request apart, to link to the status."""
        self.flags(compute_link_prefix="https://nova.example.com/compute", group="api")
        for host in NO_HOSTS:
            assert refusal_of(self.adjust({"current_vcpus": 3}, host=host)) == INVALID, host
            # Only a page that has another one after it has a link.
            for query, expected in (("limit=1", INVALID), ("", (200, None))):
                answer = self.send("GET", SERVERS, query=query, host=host)
                assert refusal_of(answer) == expected, (query, host)
        self.nothing_changed()

    def test_each_query_of_the_list_has_the_answer_that_is_written(self):
        wrong = {}
        for query, status in LIST_QUERIES.items():
            found = refusal_of(self.send("GET", SERVERS, query=query))
            if found != (INVALID if status == 400 else (200, None)):
                wrong[query[:80]] = found
        assert wrong == {}

    def test_no_query_makes_a_difference(self):
        for query, status in QUERIES.items():
            expected = INVALID if status == 400 else (200, None)
            for path in (self.status_path(), self.history_path()):
                answer = self.send("GET", path, query=query)
                assert refusal_of(answer) == expected, (path, query[:80])
            answer = self.send("POST", self.adjust_path(), FINE, query=query)
            assert refusal_of(answer) == OK, query[:80]
        self.nothing_changed()

    def test_an_id_that_is_none_is_of_no_server(self):
        uuid = self.server["id"]
        near = (uuid.upper(), uuid.replace("-", ""), *(one.format(uuid) for one in NEAR_IDS))
        for one in (*NO_IDS, *near):
            path = f"/v2.1/os-xloud-adjust/{one}"
            assert refusal_of(self.send("POST", path, FINE)) == NO_SERVER, one[:80]
            for name in ("status", "history"):
                path = f"/v2.1/servers/{one}/xloud-{name}"
                assert refusal_of(self.send("GET", path)) == NO_SERVER, (name, one[:80])

    def test_a_server_of_another_project_is_as_if_it_were_none(self):
        nobody = {"id": uuids.nobody}
        for name, (body, _) in BODIES.items():
            found = refusal_of(self.adjust(body, **ANOTHER))
            assert found == refusal_of(self.adjust(body, nobody, **ANOTHER)), name
            assert found[0] in (400, 404, 413), name
        assert refusal_of(self.adjust(FINE, **ANOTHER)) == NO_SERVER
        for path in (self.status_path(), self.history_path()):
            assert refusal_of(self.send("GET", path, **ANOTHER)) == NO_SERVER
        assert self.send("GET", SERVERS, **ANOTHER).json == {"xloud_servers": []}
        path = self.adjust_path().replace("/v2.1", f"/v2.1/{'f' * 32}")
        assert refusal_of(self.send("POST", path, FINE)) == NO_JSON
        assert refusal_of(self.send("POST", path, FINE, **ANOTHER)) == NO_SERVER
        self.nothing_changed()

    def test_there_is_no_route_beside_the_four(self):
        for method in METHODS:
            assert refusal_of(self.send(method, self.adjust_path(), FINE)) == NO_ROUTE, method
            for path in self.reads() if method != "GET" else ():
                assert refusal_of(self.send(method, path, FINE)) == NO_ROUTE, (method, path)
        for path in NO_PATHS:
            path = path.format(self.server["id"])
            assert refusal_of(self.send("POST", path, FINE)) == NO_ROUTE, path
        for path in NO_READS:
            path = path.format(self.server["id"])
            assert refusal_of(self.send("GET", path)) == NO_ROUTE, path
        self.nothing_changed()

    def test_options_says_nothing_as_at_novas_own_paths(self):
        nova = f"/v2.1/servers/{self.server['id']}"
        for path in (self.adjust_path(), *self.reads(), nova):
            answer = self.send("OPTIONS", path, FINE)
            assert (answer.status_int, answer.text) == (200, ""), path

    def test_the_older_paths_refuse_what_the_newest_one_refuses(self):
        """Under /v2 Nova drops the keys that it does not know, a misspelt "dry_run" for one."""
        for prefix in ("/v2", f"/v2/{PROJECT_ID}", f"/v2.1/{PROJECT_ID}"):
            adjust = self.adjust_path().replace("/v2.1", prefix)
            if TIMES or prefix == "/v2":
                self._each_body_has_its_answer(adjust)
            misspelt = b'{"current_vcpus": 3, "dry_rum": true}'
            assert refusal_of(self.send("POST", adjust, misspelt)) == INVALID, prefix
            for path in self.reads():
                path = path.replace("/v2.1", prefix)
                assert self.send("GET", path).status_int == 200, path
            list_path = SERVERS.replace("/v2.1", prefix)
            assert refusal_of(self.send("GET", list_path, query="limits=1")) == INVALID, prefix
        self.nothing_changed()

    def test_a_real_server_passes_on_what_it_takes_and_gets_the_answers(self):
        adjust, length = self.adjust_path(), b"content-length: %d" % len(FINE)
        uuid, chunked = self.server["id"], b"transfer-encoding: chunked"
        in_chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(FINE), FINE)
        versions = b"openstack-api-version: compute 2.9999"
        with real_http.served(self.api_fixture.app()) as port:
            for status, octets in (
                (202, real_http.request("POST", adjust, FINE, length)),
                (202, real_http.request("POST", adjust, FINE, length, b"expect: 100-continue")),
                (202, real_http.request("POST", adjust, in_chunks, chunked)),
                (202, real_http.request("POST", adjust, in_chunks, chunked, length)),
                (400, real_http.request("POST", adjust, b"zz\r\n" + in_chunks, chunked)),
                (400, real_http.request("POST", adjust, FINE)),
                (400, real_http.request("POST", adjust, FINE, b"content-length: 5")),
                (400, real_http.request("POST", adjust, FINE, length, b"content-length: 5")),
                (400, real_http.request("POST", adjust, FINE, b"content-length: -5")),
                (413, real_http.request("POST", adjust, FINE, b"content-length: " + b"9" * 20)),
                (406, real_http.request("POST", adjust, FINE, length, versions)),
                (415, real_http.request("POST", adjust, FINE, length, b"content-type: a/b")),
                (400, real_http.request("POST", adjust, FINE, length, b"x: \x00")),
                (404, real_http.request("POST", adjust.replace(uuid, "%2e%2e"), FINE, length)),
                (404, real_http.request("POST", adjust.replace(uuid, f"..%2f{uuid}"))),
                (404, real_http.request("POST", adjust.replace(uuid, "%ff"), FINE, length)),
                (404, real_http.request("POST", f"{adjust}%00", FINE, length)),
                (404, real_http.request("POST", f"{adjust}%2fx", FINE, length)),
                (200, real_http.request("GET", f"/v2.1/servers/{uuid}/%78loud-status")),
            ):
                with no_errors() as errors:
                    found, text = real_http.answer_to(port, octets)
                check_answer(found, text, errors, octets[:300])
                count(found, None)
                assert found == status, (octets[:300], text)
        self.nothing_changed()

    def test_every_microversion_answers_alike(self):
        newest = api_version_request.max_api_version().ver_minor
        for version in (None, "", "compute latest", *(f"compute 2.{n + 1}" for n in range(newest))):
            named = {"openstack_api_version": version}
            assert refusal_of(self.adjust({"current_vcpus": None}, **named)) == INVALID, version
            status, history, servers = (self.send("GET", p, **named) for p in self.reads())
            assert status.json["xloud_status"]["max_vcpus"] == 4, version
            assert history.json == {"xloud_history": []}, version
            assert servers.json["xloud_servers"][0]["max_vcpus"] == 4, version
            answer = self.send("GET", SERVERS, query="limit=x", **named)
            assert refusal_of(answer) == INVALID, version
            if TIMES or version is None or version.endswith("1"):
                assert refusal_of(self.adjust(FINE, **named)) == OK, version
        self.nothing_changed()

    def test_no_value_but_a_number_that_fits_is_taken_for_a_minimum(self):
        path = f"/v2.1/flavors/{self._flavor()}/os-extra_specs"
        for name, value in itertools.product(SPECS, NO_SPEC_VALUES):
            body = json.dumps({"extra_specs": {name: value}}).encode()
            for version in ("compute 2.1", "compute latest"):
                answer = self.send("POST", path, body, openstack_api_version=version)
                assert answer.status_int == 400, (name, value, version)
            body = json.dumps({name: value}).encode()
            assert self.send("PUT", f"{path}/{name}", body).status_int == 400, (name, value)
        for body in (b'{"minimum_cpu": "1", "minimum_cpu": "9"}', b'{"minimum_cpus": "1"}'):
            assert self.send("PUT", f"{path}/minimum_cpu", body).status_int == 400, body
        assert self.send("GET", path).json == {"extra_specs": {}}

    @pytest.mark.skipif(not TIMES, reason="NOVA_XLOUD_FUZZ is not set")
    def test_each_body_has_its_answer_at_every_microversion(self):
        """With less than NOVA_XLOUD_FUZZ=8, other bodies at each of eight microversions in turn."""
        step = max(8 // TIMES, 1)
        newest = api_version_request.max_api_version().ver_minor
        for minor in range(1, newest + 1):
            bodies = dict(itertools.islice(BODIES.items(), minor % step, None, step))
            version = f"compute 2.{minor}"
            self._each_body_has_its_answer(
                self.adjust_path(), bodies, openstack_api_version=version
            )
        self.nothing_changed()

    def test_each_extra_spec_is_taken_or_refused(self):
        """A minimum that fits the flavor is taken, and one that does not is refused."""
        path = f"/v2.1/flavors/{self._flavor()}/os-extra_specs"
        taken = []

        @fuzz_settings(80)
        @given(
            st.dictionaries(NAMES, SPEC_VALUES, max_size=4),
            st.sampled_from(["compute 2.1", "compute latest"]),
        )
        @example({"minimum_cpu": "4", "xloud:minimum_cpu": "04"}, "compute latest")
        @example({"minimum_cpu": "2", "xloud:minimum_cpu": "3"}, "compute 2.1")
        @example({"minimum_memory": "0" * 252 + "256"}, "compute latest")
        @example({"minimum_memory": "255"}, "compute latest")
        @example({"minimum_memory": 256, "xloud:minimum_memory": "256"}, "compute 2.1")
        def set_specs(specs, version):
            body = json.dumps({"extra_specs": specs}).encode()
            answer = self.send("POST", path, body, openstack_api_version=version)
            is_taken = answer.status_int == 200
            assert is_taken or answer.status_int == 400, answer.text
            if is_taken:
                assert are_minimums(specs), specs
                taken.extend(SPECS.keys() & specs.keys())
                for name in specs:
                    self.send("DELETE", f"{path}/{name}")
            elif specs.keys() <= SPECS.keys():
                assert not specs or not are_minimums(specs), (specs, answer.text)

        set_specs()
        assert set(taken) == set(SPECS)
